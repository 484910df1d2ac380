"""Which columns of a flat table mean what.

Ours are `question`, `scores.NAME`, `costs.NAME`. Tables that people have often hold a column `prompt`, and one bare
column for each LLM; `Columns` says which those are.
"""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from routerdc.data.formats.rows import Malformed, RepeatedKeys, from_pairs

GROUPS = ("scores", "costs")
_MISSPELT = re.compile(r"\W*(scores?|costs?)\s*[.:/\[(]", re.IGNORECASE)
"""A column of which nobody can say that it means nothing: Scores.a, score.a, scores: a."""
QUESTION_NAMES = ("prompt", "query", "instruction", "input", "text")
"""What others call the question: only ever named in a hint, never taken without being asked."""


@dataclass(frozen=True)
class Columns:
    """Where the question and the scores stand, where the table does not use our names."""

    question: str = "question"
    scores: tuple[str, ...] = ()

    def renamed(self, row: Any) -> Any:
        """`row` with our names. A column that is not there is left for the checks of the row to report."""
        if not isinstance(row, dict) or isinstance(row, RepeatedKeys) or self == Columns():
            return row
        renamed = {name: value for name, value in row.items() if name not in {self.question, *self.scores}}
        if self.question in row:
            renamed["question"] = row[self.question]
        if self.scores:
            renamed["scores"] = {name: row.get(name) for name in self.scores}
        return renamed


def column_name(written: str) -> str:
    """The name of a column: without what cannot be seen around it, such as the byte order mark of a table pasted in."""
    return written.strip().strip("\ufeff\u200b").strip()


def nested(flat: dict[str, Any]) -> Any:
    """`scores.NAME` and `costs.NAME` gathered into `scores` and `costs`; a map's pairs become an object."""
    row: dict[str, Any] = {}
    for name, value in flat.items():
        group, dot, llm = name.partition(".")
        if dot and group.strip() in GROUPS:
            gathered = row.setdefault(group.strip(), {})
            if not isinstance(gathered, dict):
                return Malformed(f"{group}: both a column {group} and columns {group}.NAME: keep one kind")
            gathered[llm.strip()] = value
        elif _MISSPELT.match(name):
            return Malformed(f"{name}: write scores.NAME or costs.NAME, or give the column another name")
        elif name in GROUPS and name in row:
            return Malformed(f"{name}: both a column {name} and columns {name}.NAME: keep one kind")
        elif name in GROUPS and isinstance(value, list):
            row[name] = _pairs(name, value)
        elif not (value is None or (isinstance(value, float) and math.isnan(value))):
            row[name] = value
    return row


def _pairs(group: str, values: list[Any]) -> Any:
    """A list of (name, number), or of objects with one text and one number, as an object; else the list itself."""
    pairs = [tuple(value.values()) if isinstance(value, dict) else value for value in values]
    if all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        return from_pairs(pairs)
    return values


def missing_hint(fields: Collection[str]) -> str:
    """What to do about a row without a question or scores, in which `fields` were found."""
    found = ", ".join(sorted(fields)[:12]) or "none"
    named = [name for name in QUESTION_NAMES if name in fields]
    return (
        f"found: {found}; say which they are: --question-column {named[0] if named else 'NAME'} --score-columns A,B,…"
    )
