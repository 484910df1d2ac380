"""A run of benchmarks as a table for people, Markdown for the documentation, and JSON with every single round."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from loadtest.bench.comparison import Comparison, Spread, Verdict, rounded
from loadtest.bench.history import Change

COLUMNS = ("name", "ours", "reference", "ratio (p10 to p90)", "goal", "verdict", "last run")


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured where. `machine` has `cores`, besides whatever tells two runs apart."""

    machine: dict[str, Any]
    comparisons: Sequence[Comparison]
    changes: Mapping[str, Change] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything, every round included."""
        return {"machine": self.machine, "comparisons": [self._one(each) for each in self.comparisons]}

    def as_table(self) -> Table:
        """For the terminal."""
        table = Table(*COLUMNS)
        for row in self.rows():
            table.add_row(*row)
        return table

    def as_markdown(self, title: str, source: str) -> str:
        """A page that says where the figures come from."""
        lines = ["| " + " | ".join(row) + " |" for row in (COLUMNS, ["---"] * len(COLUMNS), *self.rows())]
        conditions = "\n".join(
            f"* {each.name}: {_rounds(len(each.ours))}; {each.conditions}" for each in self.comparisons
        )
        return (
            f"# {title}\n\n{source}\n\n{self.summary}\n\n"
            + "\n".join(lines)
            + f"\n\nConditions:\n\n{conditions}\n\nMachine:\n\n{self.facts}\n"
        )

    @property
    def facts(self) -> str:
        """The machine as a list."""
        return "\n".join(f"* {name.replace('_', ' ')}: {_text(value)}" for name, value in self.machine.items())

    @property
    def summary(self) -> str:
        """How many goals are met, and which figures have become worse."""
        verdicts = [one.verdict(self.machine["cores"]) for one in self.comparisons]
        counts = [f"{verdicts.count(v)} goals {v.value}" for v in Verdict if v is not Verdict.NO_GOAL and v in verdicts]
        worse = [name for name, change in self.changes.items() if change.verdict == "worse"]
        return ", ".join(counts) + f". Worse than in the last run: {'; '.join(worse) or 'nothing'}."

    def rows(self) -> list[list[str]]:
        """Cells of the table, by `COLUMNS`."""
        return [self._row(each) for each in self.comparisons]

    def _row(self, one: Comparison) -> list[str]:
        ours, reference = (Spread.of(list(side)).median for side in (one.ours, one.reference))
        return [
            one.name,
            f"{rounded(ours, 4)} {one.unit}",
            f"{rounded(reference, 4)} {one.unit}",
            _change(one),
            one.goal_text or "",
            one.verdict(self.machine["cores"]).value,
            str(self.changes.get(one.name, "")),
        ]

    def _one(self, one: Comparison) -> dict[str, Any]:
        derived = {"ratio": asdict(Spread.of(one.ratios)), "added": asdict(Spread.of(one.added))}
        return {**asdict(one), **derived, "verdict": one.verdict(self.machine["cores"]).value}


def _rounds(count: int) -> str:
    return f"{count} round{'' if count == 1 else 's'}"


def _change(one: Comparison) -> str:
    ratio = _spread(Spread.of(one.ratios))
    if one.goal is None or one.goal.of == "ratio":
        return ratio
    return f"{ratio}; added {_spread(Spread.of(one.added))} {one.unit}"


def _spread(spread: Spread) -> str:
    if spread.p10 == spread.p90:
        return rounded(spread.median)
    return f"{rounded(spread.median)} ({rounded(spread.p10)} to {rounded(spread.p90)})"


def _text(value: object) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
