from hypothesis import given
from hypothesis import strategies as st

from gateway.pool.weighted_round_robin import WeightedRoundRobin

weights = st.lists(st.integers(1, 20), min_size=1, max_size=5)


@given(weights, st.integers(1, 3))
def test_after_whole_rounds_everybody_had_exactly_its_weight(given: list[int], rounds: int) -> None:
    turns = WeightedRoundRobin(given)
    had = [turns.next() for _ in range(sum(given) * rounds)]
    assert [had.count(i) for i in range(len(given))] == [weight * rounds for weight in given]


@given(weights, st.data())
def test_in_the_long_run_turns_are_in_proportion_to_weight_and_share(given: list[int], data: st.DataObject) -> None:
    shares = data.draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=len(given), max_size=len(given)))
    turns, n = WeightedRoundRobin(given), 500
    had = [turns.next(shares) for _ in range(n)]
    effective = [w * s for w, s in zip(given, shares, strict=True)] if any(shares) else given
    for i, weight in enumerate(effective):
        assert abs(had.count(i) - n * weight / sum(effective)) <= len(given)


@given(weights, st.lists(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=5, max_size=5), max_size=60))
def test_whoever_has_no_share_gets_no_turn_while_another_has_one(given: list[int], changes: list[list[float]]) -> None:
    turns = WeightedRoundRobin(given)
    for shares in (change[: len(given)] for change in changes):
        chosen = turns.next(shares)
        assert shares[chosen] > 0 or not any(shares)


def test_turns_are_spread_evenly() -> None:
    turns = WeightedRoundRobin([3, 1])
    assert [turns.next() for _ in range(8)] == [0, 0, 1, 0, 0, 0, 1, 0]
