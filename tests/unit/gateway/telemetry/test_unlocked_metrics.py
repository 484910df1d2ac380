from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.telemetry.unlocked_metrics import UnlockedCounter, UnlockedHistogram

BOUNDS = (0.5, 1.0, 2.0)
labels = st.tuples(st.sampled_from(["a", 'b"\n']), st.sampled_from(["x", "y"]))


def exposed(registry: CollectorRegistry) -> list[str]:
    """Lines in order, without the times of creation, which the library adds."""
    return sorted(line for line in generate_latest(registry).decode().splitlines() if "_created" not in line)


@given(st.lists(st.tuples(labels, st.integers(1, 5))))
def test_a_counter_reads_like_the_librarys(events: list[tuple[tuple[str, str], int]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counter = UnlockedCounter("queries", "All of them", ["llm", "reason"], ours)
    reference = Counter("queries", "All of them", ["llm", "reason"], registry=theirs)
    for values, amount in events:
        counter.of(*values).count += amount
        reference.labels(*values).inc(amount)
    assert exposed(ours) == exposed(theirs)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 4) | st.sampled_from(BOUNDS))))
def test_a_histogram_reads_like_the_librarys(events: list[tuple[str, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = UnlockedHistogram("seconds", "Time", ["stage"], BOUNDS, ours)
    reference = Histogram("seconds", "Time", ["stage"], buckets=BOUNDS, registry=theirs)
    for stage in "ab":
        histogram.of(stage)
        reference.labels(stage)
    for stage, value in events:
        histogram.of(stage).observe(value)
        reference.labels(stage).observe(value)
    assert exposed(ours) == exposed(theirs)


def test_a_histogram_without_labels_reads_like_the_librarys() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = UnlockedHistogram("size", "Queries", [], BOUNDS, ours).of()
    reference = Histogram("size", "Queries", buckets=BOUNDS, registry=theirs)
    for value in (1, 3, 0.5):
        histogram.observe(value)
        reference.observe(value)
    assert exposed(ours) == exposed(theirs)


def test_a_tally_that_was_asked_for_is_there_before_anything_is_counted() -> None:
    registry = CollectorRegistry()
    UnlockedCounter("lookups", "Lookups", ["outcome"], registry).of("hit")
    assert registry.get_sample_value("lookups_total", {"outcome": "hit"}) == 0
