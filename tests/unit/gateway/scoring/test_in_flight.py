"""What is counted as in flight."""

from gateway.domain.query import Priority
from gateway.scoring.deadline_queue import Entry
from gateway.scoring.in_flight import Batch, InFlight


def batch(size: int, priority: Priority) -> Batch:
    return Batch([Entry(str(i), 1.0, priority) for i in range(size)], now=0.0)


def counts(sent: InFlight) -> tuple[int, int, int, int]:
    return len(sent), sent.single_batches, sent.singles, sent.rows


def test_single_queries_and_rows_are_counted_apart() -> None:
    sent, singles, rows = InFlight(), batch(3, Priority.INTERACTIVE), batch(5, Priority.BATCH)
    sent.add(singles)
    sent.add(rows)
    assert counts(sent) == (2, 1, 3, 5)
    sent.discard(singles)
    assert counts(sent) == (1, 0, 0, 5)


def test_a_place_is_given_back_once() -> None:
    sent, one, other = InFlight(), batch(2, Priority.INTERACTIVE), batch(2, Priority.INTERACTIVE)
    sent.add(one)
    sent.add(other)
    for _ in range(2):
        sent.discard(one)
    assert counts(sent) == (1, 1, 2, 0)
