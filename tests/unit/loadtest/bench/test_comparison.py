"""Pairs and goals: the median of paired ratios decides, and who goes first changes."""

import pytest

from loadtest.bench.comparison import Comparison, Goal, Spread, Verdict, in_turns, rounded

AT_LEAST = Goal("ratio", least=0.6)


def comparison(ours: tuple[float, ...], reference: tuple[float, ...], goal: Goal | None = None) -> Comparison:
    return Comparison("x", "ms", ours, reference, goal)


def test_ratios_and_differences_are_of_pairs_and_not_of_medians() -> None:
    one = comparison((10, 40, 90), (10, 20, 30))
    assert (one.ratios, one.added) == ([1, 2, 3], [0, 20, 60])


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (None, Verdict.NO_GOAL),
        (Goal("ratio", least=2), Verdict.MET),
        (Goal("ratio", least=2.01), Verdict.MISSED),
        (Goal("ratio", most=2), Verdict.MET),
        (Goal("ratio", most=1.99), Verdict.MISSED),
        (Goal("added", most=20), Verdict.MET),
        (Goal("added", most=19), Verdict.MISSED),
        (Goal("ratio", least=9, cores=4), Verdict.NOT_MEASURABLE),
    ],
)
def test_median_of_the_pairs_decides(goal: Goal | None, verdict: Verdict) -> None:
    assert comparison((10, 40, 90), (10, 20, 30), goal).verdict(cores=2) is verdict


def test_goal_says_what_it_bounds() -> None:
    assert AT_LEAST.text("calls/s") == "ratio ≥ 0.6"
    assert Goal("added", most=1).text("ms") == "added ≤ 1 ms"


@pytest.mark.parametrize(("ours", "reference"), [((), ()), ((1.0,), (1.0, 2.0))])
def test_rounds_that_are_not_pairs_are_refused(ours: tuple[float, ...], reference: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="not pairs"):
        comparison(ours, reference)


def test_spread_holds_four_fifths() -> None:
    assert Spread.of([float(i) for i in range(101)]) == Spread(10, 50, 90)
    assert Spread.of([3.0]) == Spread(3, 3, 3)


async def test_sides_alternate_and_keep_their_place_in_the_pair() -> None:
    order: list[str] = []

    async def side(name: str) -> str:
        order.append(name)
        return name

    pairs = await in_turns(lambda: side("ours"), lambda: side("reference"), 3)
    assert pairs == [("ours", "reference")] * 3
    assert order == ["ours", "reference", "reference", "ours", "ours", "reference"]


@pytest.mark.parametrize(("value", "text"), [(1023.4, "1,020"), (682.3, "682"), (11.64, "11.6"), (0.12345, "0.123")])
def test_numbers_are_rounded_and_written_out(value: float, text: str) -> None:
    assert rounded(value) == text
