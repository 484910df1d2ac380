import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from loadtest.engines.compare import Configuration, configurations, filling, measure, parts_of

ROWS = [np.full(length, 7, dtype=np.int32) for length in (3, 9, 9, 5, 40, 2, 8)]


class Counter:
    """An engine that counts what it is asked."""

    def __init__(self) -> None:
        self.tokens = 0
        self.threads: set[int] = set()

    def __call__(self, parts: list[Any]) -> list[npt.NDArray[np.float32]]:
        self.tokens += sum(int(part.attention_mask.sum()) for part in parts)
        self.threads.add(threading.get_ident())
        return [np.zeros((len(part.input_ids), 4), dtype=np.float32) for part in parts]


def test_slices_are_those_of_the_model() -> None:
    shapes = [part.input_ids.shape for part in parts_of(ROWS, slice_tokens=18)]
    assert shapes == [(3, 5), (2, 9), (1, 9), (1, 40)]


def test_filling_is_the_share_of_real_tokens() -> None:
    assert filling(ROWS, slice_tokens=1) == 1.0
    assert filling(ROWS, slice_tokens=18) == pytest.approx(76 / (15 + 18 + 9 + 40))


@pytest.mark.parametrize("instances", [1, 2])
def test_every_query_is_asked_once_whatever_the_instances(instances: int) -> None:
    engines = [Counter() for _ in range(instances)]
    line = Configuration("counter", batch=2, instances=instances)
    measure(engines, line, ROWS)
    measure(engines, line, ROWS)
    assert sum(engine.tokens for engine in engines) == 2 * 76
    assert all(engine.tokens for engine in engines)
    assert [len(pair) for pair in line.rates] == [2, 2]


def test_every_engine_is_measured_in_batches_and_one_by_one() -> None:
    lines = configurations(["a", "b"], best="b")
    assert {(line.engine, line.batch) for line in lines} == {("a", 32), ("a", 1), ("b", 32), ("b", 1)}
    assert len({(line.engine, line.slice_tokens, line.batch, line.threads, line.instances) for line in lines}) == len(
        lines
    )
