"""Agreement on rewordings, counted by hand for a router that a prompt's first word decides."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from routerdc.evaluation import paraphrases
from routerdc.evaluation.paraphrases import agreement, page
from tests.support.data.tiny import tiny_tokenizer

PAIRS = [("add w1", "add w2 w3"), ("add w1", "code w1"), ("code w1 w2 w3 w4 w5 w6", "code"), ("sum", "sum")]


def router(familiarity: np.ndarray[Any, Any] | None) -> Any:
    def score(queries: list[str]) -> np.ndarray[Any, Any]:
        return np.array([[query.startswith("add"), query.startswith("code"), 0.5] for query in queries], dtype=float)

    manifest = SimpleNamespace(name="small", tokenizer=SimpleNamespace(max_tokens=5))
    return SimpleNamespace(
        score=score, familiarity=lambda _: familiarity, manifest=manifest, tokenizer=tiny_tokenizer()
    )


def test_agreement_is_counted_by_pair_and_cuts_by_prompt() -> None:
    found = agreement(router(np.array([1.0, 0.0] * 4)), PAIRS)
    assert (found.pairs, found.limit, found.same_choice) == (4, 5, 0.75)
    assert found.most_chosen == pytest.approx(3 / 8)
    assert found.familiar == 0.5
    assert found.cut == 1 / 8
    lengths = [4, 5, 4, 4, 9, 3, 3, 3]  # the two special tokens count
    assert found.read == pytest.approx((sum(lengths) - 4) / sum(lengths))
    assert "| small | 75.0% | 38% | 50% | 5 | 12% | 89% |" in page([found])


def test_a_bundle_that_does_not_know_familiarity_says_so() -> None:
    assert "| not known |" in page([agreement(router(None), PAIRS)])


@pytest.mark.parametrize(("text", "message"), [('{"original": "a"}\n', "pairs.jsonl:1: 'perturbed'"), ("", "no pair")])
def test_a_bad_file_of_pairs_is_named_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(paraphrases.main, [str(tmp_path), "--pairs", str(file), "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert message in result.output
