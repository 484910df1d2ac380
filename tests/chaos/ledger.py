"""What was promised, how often it was looked at, and how often it did not hold; written down as a table.

Short runs (in `make test`, on machines that may be busy) judge what comes out, and only write down how long it took.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from loadtest import machine
from tests.chaos.load import Call

FULL = os.environ.get("CHAOS") == "full"
"""Long phases and judged times: `make chaos`."""

_HEAD = """# Fault tests

Command: `make chaos` ([what each proves](../explanation/faults.md)). {when}; {processor}, {cores} cores for load
generator and service, commit {commit}.

| fault | invariant | goal | calls | violations | worst | |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One invariant under one fault."""

    fault: str
    invariant: str
    goal: str
    calls: int
    violations: int
    worst: str
    holds: bool


@dataclass
class Ledger:
    """All invariants of one run."""

    rows: list[Row] = field(default_factory=list)

    def never(
        self,
        fault: str,
        invariant: str,
        calls: Iterable[Call],
        violates: Callable[[Call], bool],
        *,
        goal: str = "never",
        allowed_share: float = 0.0,
        timed: bool = False,
    ) -> None:
        """`violates` holds for no more than `allowed_share` of `calls`; `timed`: judged in full runs only.

        Raises:
            AssertionError: it does, or there was no call.
        """
        calls = list(calls)
        wrong = [call for call in calls if violates(call)]
        longest = max((call.waited_ms for call in calls), default=0.0)
        shown = (
            f"{longest:.0f} ms" if not wrong else ", ".join(sorted({c.outcome for c in wrong})) + f", {longest:.0f} ms"
        )
        holds = len(wrong) <= allowed_share * len(calls)
        self._note(Row(fault, invariant, goal, len(calls), len(wrong), shown, holds), bool(calls), timed)

    def at_most(
        self, fault: str, invariant: str, value: float, limit: float, unit: str, *, calls: int = 1, timed: bool = True
    ) -> None:
        """A measured number is within its limit.

        Raises:
            AssertionError: it is not, in a full run.
        """
        row = Row(
            fault, invariant, f"≤ {limit:g} {unit}", calls, int(value > limit), f"{value:.3g} {unit}", value <= limit
        )
        self._note(row, calls > 0, timed)

    def _note(self, row: Row, looked: bool, timed: bool) -> None:
        self.rows.append(row)
        print(f"{row.fault} | {row.invariant}: {row.calls} calls, {row.violations} violations, worst {row.worst}")
        assert looked, f"{row.fault}: {row.invariant}: nothing was asked"
        assert row.holds or (timed and not FULL), row

    def write(self, path: Path) -> None:
        """The table, in Markdown."""
        facts = machine.describe()
        head = _HEAD.format(when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), **facts)
        path.write_text(head + "".join(map(_line, self.rows)), encoding="utf-8")


def _line(row: Row) -> str:
    verdict = "holds" if row.holds else "**missed**"
    cells = (row.fault, row.invariant, row.goal, row.calls, row.violations, row.worst, verdict)
    return f"| {' | '.join(map(str, cells))} |\n"
