"""How a table was graded: by whom, in which domains, and what is missing for which reason.

`routerdc grade` and `import` write this beside the scores; tables without it have no coverage to show.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routerdc.data.formats.files import read_rows

UNNAMED = "(no domain)"


@dataclass
class Coverage:
    """Counts over the rows of a file."""

    graders: Counter[str] = field(default_factory=Counter)
    missing: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """LLM → reason → rows"""
    domains: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """domain → LLM → scores"""
    dollars: float = 0.0

    @property
    def known(self) -> bool:
        """Whether the file says anything of how it was graded."""
        return bool(self.graders or self.missing)


def coverage(path: Path) -> Coverage:
    """Reads the file once more; rows that are bad were named before and are passed over.

    Raises:
        DataError: the file cannot be read.
    """
    found = Coverage()
    for row in read_rows(path):
        if isinstance(row.value, Mapping):
            _add(found, row.value)
    return found


def _add(found: Coverage, row: Mapping[str, Any]) -> None:
    found.graders.update(_texts(row.get("graded_by")).values())
    for llm, reason in _texts(row.get("missing")).items():
        found.missing[llm][reason] += 1
    domain = row.get("domain")
    for llm, score in _numbers(row.get("scores")).items():
        found.domains[domain if isinstance(domain, str) else UNNAMED][llm].append(score)
    found.dollars += sum(_numbers(row.get("costs")).values())


def _texts(value: Any) -> dict[str, str]:
    return {llm: text for llm, text in value.items() if isinstance(text, str)} if isinstance(value, Mapping) else {}


def _numbers(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {}
    return {llm: float(v) for llm, v in value.items() if isinstance(v, int | float) and not isinstance(v, bool)}
