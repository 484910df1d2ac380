"""A hook of MkDocs: links that leave docs/ become plain text, because the site holds nothing outside that folder."""

import os
import re
from typing import Any

_LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)\s#]*)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page's text with those links replaced. Called by MkDocs for every page."""
    folder = os.path.dirname(page.file.src_uri)

    def inside(match: re.Match[str]) -> str:
        target = os.path.normpath(os.path.join(folder, match[2]))
        if not target.startswith(".."):
            return match[0]
        return match[1] if match[1].startswith("`") else f"{match[1]} (`{target.removeprefix('../')}`)"

    return _LINK.sub(inside, markdown)
