from types import SimpleNamespace

import pytest

from tools.docs_site import on_page_markdown

PAGE = SimpleNamespace(file=SimpleNamespace(src_uri="how-to/train.md"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see [scaling](../explanation/scaling.md#cost)", "see [scaling](../explanation/scaling.md#cost)"),
        ("see [the manifests](../../deploy/kubernetes)", "see the manifests (`deploy/kubernetes`)"),
        ("[`README.md`](../../README.md)", "`README.md`"),
        ("[paper](https://arxiv.org/abs/2409.19886) and [below](#data)",) * 2,
    ],
)
def test_links_out_of_the_docs_become_text(text: str, shown: str) -> None:
    assert on_page_markdown(text, page=PAGE) == shown
