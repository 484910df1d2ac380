import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.abstention import default_among, reason_to_abstain
from gateway.policy.choice import Rule, Thresholds, choose
from gateway.policy.confidence import confidence
from gateway.policy.ranking import margin, rank

LLMS = tuple("abcd")
scores = st.lists(st.floats(-10, 10, width=32), min_size=4, max_size=4)
probabilities = st.floats(0, 1)


@given(scores, probabilities)
def test_without_thresholds_there_is_no_doubt(values: list[float], sure: float) -> None:
    assert reason_to_abstain(rank(LLMS, values, LLMS, {}), 0.0, sure, 0.0) is None


@given(
    scores,
    st.frozensets(st.sampled_from(LLMS), min_size=2),
    st.permutations(LLMS),
    st.floats(0, 5),
    st.none() | probabilities,
    probabilities,
)
def test_the_first_eligible_default_answers_exactly_when_there_is_doubt(
    values: list[float],
    eligible: frozenset[str],
    defaults: list[str],
    min_margin: float,
    sure: float | None,
    min_confidence: float,
) -> None:
    ranked = rank(LLMS, values, eligible, {})
    lead = margin(ranked)
    assert lead is not None
    thresholds = Thresholds(min_margin=min_margin, min_confidence=min_confidence)
    choice = choose(ranked, thresholds, defaults=defaults, confidence=sure)
    if lead < min_margin or (sure is not None and sure < min_confidence):
        expected = next(llm for llm in defaults if llm in eligible)
        assert (choice.order[0].llm, choice.rule) == (expected, Rule.ABSTAINED)
    else:
        assert (choice.order[0].llm, choice.rule) == (ranked[0].llm, Rule.BEST)


def test_the_first_candidate_stands_where_no_default_may_answer() -> None:
    ranked = rank(LLMS, [1.0, 1.0, 0.0, 0.0], ("a", "b"), {})
    assert default_among(ranked, ["c"]) is None
    assert choose(ranked, Thresholds(min_margin=9), defaults=["c"]).rule is Rule.BEST


def test_a_single_candidate_has_no_margin_but_a_confidence() -> None:
    ranked = rank(LLMS, [1.0, 1.0, 0.0, 0.0], ("a",), {})
    assert reason_to_abstain(ranked, 9.0, None, 1.0) is None
    assert reason_to_abstain(ranked, 9.0, 0.25, 0.5) == "confidence in the best LLM is 0.25, not 0.5"


def test_confidence_is_the_sigmoid_and_does_not_overflow() -> None:
    assert confidence(1.0, 2.0, -2.0) == 0.5
    assert confidence(1.0, 1.0, 0.0) == pytest.approx(0.7310586)
    assert (confidence(1e6, 1.0, 0.0), confidence(-1e6, 1.0, 0.0)) == (1.0, 0.0)
