import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import PriceUnknownError
from gateway.policy import ranking

LLMS = tuple("abcdefgh")
scores = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=8)


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[str, ...], list[float], frozenset[str], float, dict[str, float]]:
    values = draw(scores)
    llms = LLMS[: len(values)]
    eligible = draw(st.frozensets(st.sampled_from(llms), min_size=1))
    prices = {llm: draw(st.floats(0, 100)) for llm in llms}
    return llms, values, eligible, draw(st.floats(0, 5)), prices


@given(scores)
def test_neutral_policy_chooses_the_argmax_and_the_first_of_equals(values: list[float]) -> None:
    llms = LLMS[: len(values)]
    assert ranking.rank(llms, values, llms, {})[0].llm == llms[values.index(max(values))]


@given(cases())
def test_only_eligible_llms_are_ranked_and_each_of_them_once(
    case: tuple[tuple[str, ...], list[float], frozenset[str], float, dict[str, float]],
) -> None:
    llms, values, eligible, weight, prices = case
    ranked = ranking.rank(llms, values, eligible, ranking.costs(eligible, weight, prices))
    assert sorted(r.llm for r in ranked) == sorted(eligible)


@given(cases())
def test_candidates_are_in_the_order_of_their_adjusted_scores(
    case: tuple[tuple[str, ...], list[float], frozenset[str], float, dict[str, float]],
) -> None:
    llms, values, eligible, weight, prices = case
    ranked = ranking.rank(llms, values, eligible, ranking.costs(eligible, weight, prices))
    adjusted = [r.adjusted_score for r in ranked]
    assert adjusted == sorted(adjusted, reverse=True)
    for r in ranked:
        assert r.adjusted_score == pytest.approx(values[llms.index(r.llm)] - weight * prices[r.llm])


@given(cases())
def test_more_cost_weight_never_makes_the_choice_dearer(
    case: tuple[tuple[str, ...], list[float], frozenset[str], float, dict[str, float]],
) -> None:
    llms, values, eligible, weight, prices = case
    free = ranking.rank(llms, values, eligible, {})[0].llm
    frugal = ranking.rank(llms, values, eligible, ranking.costs(eligible, weight, prices))[0].llm
    assert prices[frugal] <= prices[free] + 1e-6


@given(cases())
def test_margin_is_the_lead_over_the_second_and_never_negative(
    case: tuple[tuple[str, ...], list[float], frozenset[str], float, dict[str, float]],
) -> None:
    llms, values, eligible, _, _ = case
    margin = ranking.margin(ranking.rank(llms, values, eligible, {}))
    assert (margin is None) == (len(eligible) == 1)
    assert margin is None or margin >= 0


@given(cases())
def test_putting_one_first_keeps_everybody_and_the_order_of_the_others(
    case: tuple[tuple[str, ...], list[float], frozenset[str], float, dict[str, float]],
) -> None:
    llms, values, eligible, _, _ = case
    ranked = ranking.rank(llms, values, eligible, {})
    moved = ranking.with_first(ranked, ranked[-1].llm)
    assert moved == [ranked[-1], *ranked[:-1]]


def test_a_cost_weight_without_a_price_names_the_llm_that_lacks_it() -> None:
    with pytest.raises(PriceUnknownError, match=r"none for b$"):
        ranking.costs({"a", "b"}, 0.5, {"a": 1.0})


def test_without_cost_weight_no_price_is_needed() -> None:
    assert ranking.costs({"a"}, 0.0, {}) == {}
