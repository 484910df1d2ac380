r"""The final answer in what an LLM wrote: behind "####", in \boxed{}, behind "the answer is", or its last line."""

import re
import unicodedata

_MARKS = (
    re.compile(r"####\s*(.+)"),
    re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}"),
    re.compile(r"(?:final\s+)?answer\s*(?:is|:)\s*+:?+\s*+(?=(.+))", re.IGNORECASE),
)
_WRAPPING = " \t\n*_`\"'“”‘’$()[]"


def final_answer(text: str) -> str:
    """The final answer, without mark-up around it; the last mark counts, for LLMs correct themselves."""
    for mark in _MARKS:
        if found := mark.findall(text):
            return _bare(found[-1])
    lines = [line for line in text.splitlines() if line.strip()]
    return _bare(lines[-1]) if lines else ""


def normalised(text: str) -> str:
    """Without case, punctuation at the ends, articles and surplus white space, in one form of Unicode."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = [word for word in plain.split() if word not in {"a", "an", "the"}]
    return _bare(" ".join(words)).strip(".,;:!?")


def _bare(text: str) -> str:
    return text.strip(_WRAPPING).rstrip(".").strip(_WRAPPING)
