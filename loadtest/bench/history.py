"""What earlier runs found, a line each, so that a figure that has become worse is seen.

Runs are compared where the machines are of one class (`loadtest.machine.same_class`). The file holds medians and
spreads; every round of the newest run stands in a file of its own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtest.bench.comparison import Comparison, Spread
from loadtest.machine import same_class


@dataclass(frozen=True, slots=True)
class Change:
    """From the last run's spread to this one's."""

    before: Spread
    now: Spread
    larger_is_better: bool

    @property
    def share(self) -> float:
        """Of the medians: 0.1 for ten per cent more."""
        return self.now.median / self.before.median - 1 if self.before.median else 0.0

    @property
    def verdict(self) -> str:
        """Better or worse, if the spreads do not touch; else nothing."""
        if self.now.p10 <= self.before.p90 and self.before.p10 <= self.now.p90:
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
            "goal": one.goal_text,
            "verdict": one.verdict(machine["cores"]).value,
        }
        for one in comparisons
    }
    return json.dumps({"time": time, "machine": dict(machine), "rows": rows}, ensure_ascii=False)


def changes(file: Path, machine: Mapping[str, Any], comparisons: Sequence[Comparison]) -> dict[str, Change]:
    """By name, against the last run on such a machine that has the same row, judged by the same figure."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    runs = [run for run in map(json.loads, lines) if same_class(run["machine"], machine)]
    found = {}
    for one in comparisons:
        rows = (run["rows"].get(one.name) for run in reversed(runs))
        if row := next((row for row in rows if row and _judged(row["goal"]) == _judged(one.goal_text)), None):
            found[one.name] = Change(
                Spread(row["p10"], row["median"], row["p90"]),
                one.judged,
                one.more_is_better,
            )
    return found


def _judged(goal: str | None) -> str:
    """What a row's median is of: the ratio, or what was added. A goal may be raised, and the row stays the same."""
    return (goal or "ratio").partition(" ")[0]
