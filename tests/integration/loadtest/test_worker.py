"""Workers: both ends of the pipe, and clocks that count from when a query was due."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.inprocess import measured
from loadtest.servers.worker import Worker, WorkerError, worker

_LENGTHS = """
from loadtest.inprocess.measured import serve
def answer(queries):
    print("noise on stdout")
    return [len(query) for query in queries]
serve(answer, lambda: {"seen": 3})
"""


@pytest.fixture
def lengths(tmp_path: Path) -> Iterator[Worker]:
    """Answers with the length of a query."""
    command = [sys.executable, "-c", _LENGTHS]
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output) as process,
    ):
        running = Worker("lengths", process, log)
        assert running.result() == {"ready": True}
        yield running
        assert process.stdin is not None
        process.stdin.close()


def test_worker_answers_every_query_in_order_whatever_it_prints(lengths: Worker) -> None:
    assert lengths.answers(["a", "bbb", "cc"], batch=2) == [1, 3, 2]


def test_work_says_what_it_took(lengths: Worker) -> None:
    work = lengths.batches(["a"] * 5, batch=2)
    assert (work.queries, len(work.took_ms), work.counters) == (5, 3, {"seen": 3})
    assert work.queries_per_second == pytest.approx(5 / work.seconds)
    assert work.peak_memory_bytes > 1_000_000


def test_queries_wait_for_their_time(lengths: Worker) -> None:
    work = lengths.arrivals(["a", "b"], [0.0, 0.2], batch=8)
    assert work.seconds >= 0.2
    assert len(work.took_ms) == 2


def test_time_counts_from_when_a_query_was_due_and_what_waits_goes_together() -> None:
    sizes = list[int]()

    def slow(queries: list[str]) -> list[None]:
        sizes.append(len(queries))
        time.sleep(0.1)
        return [None] * len(queries)

    result = measured.arrivals(slow, ["a", "b", "c", "d"], [0.0, 0.01, 0.02, 0.03], batch=2)
    assert sizes == [1, 2, 1]
    assert result["took_ms"][3] >= 250


def test_worker_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="No module named"), worker("nobody", log=tmp_path / "log"):
        pass


def test_worker_that_ends_says_why(lengths: Worker) -> None:
    with pytest.raises(WorkerError, match="KeyError: 'nonsense'"):
        lengths.ask("nonsense")
