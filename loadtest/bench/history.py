"""What earlier runs found, a line each, so that a figure that has become worse is seen.

Runs are compared where processor and number of cores are the same. The file holds medians and spreads; every round of
the newest run stands in a file of its own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtest.bench.comparison import Comparison, Spread

_SAME_MACHINE = ("cores", "processor")


@dataclass(frozen=True, slots=True)
class Change:
    """From the last run's spread to this one's."""

    before: Spread
    now: Spread
    larger_is_better: bool | None  # None: without a goal there is no better

    @property
    def share(self) -> float:
        """Of the medians: 0.1 for ten per cent more."""
        return self.now.median / self.before.median - 1 if self.before.median else 0.0

    @property
    def verdict(self) -> str:
        """Better or worse, if the spreads do not touch; else nothing."""
        if self.larger_is_better is None or (self.now.p10 <= self.before.p90 and self.before.p10 <= self.now.p90):
            return ""
        return "better" if (self.now.median > self.before.median) is self.larger_is_better else "worse"

    def __str__(self) -> str:
        verdict = f" {self.verdict}" if self.verdict else ""
        return f"{self.before.median:.3g}, {self.share:+.0%}{verdict}"


def line(time: str, machine: Mapping[str, Any], comparisons: Sequence[Comparison]) -> str:
    """One run as JSON."""
    rows = {
        one.name: {
            "ours": Spread.of(list(one.ours)).median,
            "reference": Spread.of(list(one.reference)).median,
            "unit": one.unit,
            **asdict(one.judged),
            "goal": one.goal and one.goal.text(one.unit),
            "verdict": one.verdict(machine["cores"]).value,
        }
        for one in comparisons
    }
    return json.dumps({"time": time, "machine": dict(machine), "rows": rows}, ensure_ascii=False)


def changes(file: Path, machine: Mapping[str, Any], comparisons: Sequence[Comparison]) -> dict[str, Change]:
    """By name, against the last run on such a machine that has the same row with the same goal."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    runs = [run for run in map(json.loads, lines) if _same(run["machine"], machine)]
    found = {}
    for one in comparisons:
        goal = one.goal and one.goal.text(one.unit)
        rows = (run["rows"].get(one.name) for run in reversed(runs))
        if row := next((row for row in rows if row and row["goal"] == goal), None):
            found[one.name] = Change(
                Spread(row["p10"], row["median"], row["p90"]),
                one.judged,
                None if one.goal is None else one.goal.least is not None,
            )
    return found


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(fact) == other.get(fact) for fact in _SAME_MACHINE)
