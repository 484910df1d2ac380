from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.abstention import default_instead
from gateway.policy.ranking import margin, rank

LLMS = tuple("abcd")
scores = st.lists(st.floats(-10, 10, width=32), min_size=4, max_size=4)


@given(scores, st.lists(st.sampled_from(LLMS)))
def test_without_min_margin_the_first_candidate_always_stands(values: list[float], defaults: list[str]) -> None:
    assert default_instead(rank(LLMS, values, LLMS, {}), 0.0, defaults) is None


@given(scores, st.frozensets(st.sampled_from(LLMS), min_size=2), st.permutations(LLMS), st.floats(0, 5))
def test_the_first_eligible_default_answers_exactly_when_the_lead_is_too_small(
    values: list[float], eligible: frozenset[str], defaults: list[str], min_margin: float
) -> None:
    ranked = rank(LLMS, values, eligible, {})
    lead = margin(ranked)
    assert lead is not None
    expected = next(llm for llm in defaults if llm in eligible) if lead < min_margin else None
    assert default_instead(ranked, min_margin, defaults) == expected


def test_the_first_candidate_stands_where_there_is_no_second_or_no_default_may_answer() -> None:
    ranked = rank(LLMS, [1.0, 1.0, 0.0, 0.0], ("a", "b"), {})
    assert default_instead(ranked[:1], 9.0, ["a"]) is None
    assert default_instead(ranked, 9.0, ["c"]) is None
