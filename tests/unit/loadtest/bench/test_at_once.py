"""Gateways at once on one core: a round has both orders of starting, and its pairs keep their sides."""

from pathlib import Path
from typing import Any

import pytest

from loadtest.bench import at_once
from loadtest.closed_loop.closed_loop import Round
from loadtest.servers.servers import Parts


def test_both_orders_of_starting_count_for_the_same_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, reference, began = object(), object(), list[Any]()

    def once(parts: Parts, starts: tuple[Any, Any], asked: list[Any], calls: int) -> list[at_once.Pair]:
        began.append(starts[0])
        cpu_seconds = {ours: 1.0, reference: 10.0}
        first, second = (Round(0.5, [1.0] * calls, cpu_seconds[start]) for start in starts)
        return [(first, second) for _ in asked]

    monkeypatch.setattr(at_once, "_once", once)
    found: Any = at_once.pairs(Parts(tmp_path), ours, reference, ["cached", "new"], rounds=2, calls=3)  # type: ignore[arg-type, list-item]
    assert began == [ours, reference, ours, reference]
    assert [[(a.cpu_seconds, b.cpu_seconds, len(a.took_ms)) for a, b in row] for row in found] == [[(2, 20, 6)] * 2] * 2
