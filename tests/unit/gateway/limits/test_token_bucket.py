from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.token_bucket import TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_given_at_once_and_then_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(10, burst=3, clock=clock)
    assert [bucket.take(1) for _ in range(4)] == [0, 0, 0, 0.1]
    clock.now = 0.1
    assert (bucket.take(1), bucket.take(1) > 0) == (0, True)


def test_it_never_holds_more_than_the_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(10, burst=2, clock=clock)
    clock.now = 3600
    assert [bucket.take(1) > 0 for _ in range(3)] == [False, False, True]


def test_more_than_the_burst_is_given_when_it_is_full_and_paid_back() -> None:
    clock = Clock()
    bucket = TokenBucket(10, burst=5, clock=clock)
    assert bucket.take(25) == 0
    assert bucket.take(1) == 2.1
    clock.now = 2.1
    assert bucket.take(1) == 0


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 20)), max_size=60), st.floats(0.5, 50), st.integers(1, 30))
def test_over_any_time_no_more_than_burst_and_rate_and_one_large_request(
    asked: list[tuple[float, int]], per_second: float, burst: int
) -> None:
    clock = Clock()
    bucket = TokenBucket(per_second, burst, clock)
    given_tokens = 0
    for pause, tokens in asked:
        clock.now += pause
        seconds = bucket.take(tokens)
        assert seconds >= 0
        if seconds == 0:
            given_tokens += tokens
        assert given_tokens <= burst + per_second * clock.now + 20 + 1e-6
