from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.choice import Rule, Thresholds, choose
from gateway.policy.ranking import rank

LLMS = tuple("abcde")
values = st.lists(st.floats(-10, 10, width=32), min_size=5, max_size=5)
some = st.frozensets(st.sampled_from(LLMS), min_size=1)
llm = st.sampled_from(LLMS)
margins = st.floats(0, 5)


@given(values)
def test_neutral_policy_equals_the_argmax_of_the_scores(scores: list[float]) -> None:
    choice = choose(rank(LLMS, scores, LLMS, {}), Thresholds(), defaults=LLMS, confidence=0.0)
    assert (choice.order[0].llm, choice.rule) == (LLMS[scores.index(max(scores))], Rule.BEST)


@given(values, some, st.none() | llm, margins, margins, st.lists(llm))
def test_only_eligible_llms_are_chosen_and_the_others_follow_by_adjusted_score(
    scores: list[float], eligible: frozenset[str], session: str | None, sticky: float, least: float, defaults: list[str]
) -> None:
    ranked = rank(LLMS, scores, eligible, {})
    order = choose(ranked, Thresholds(sticky, least), defaults=defaults, session_llm=session).order
    assert {r.llm for r in order} == eligible
    rest = [r.adjusted_score for r in order[1:]]
    assert rest == sorted(rest, reverse=True)


@given(values, some, llm, margins)
def test_a_sessions_llm_stays_exactly_while_it_is_within_the_margin(
    scores: list[float], eligible: frozenset[str], session: str, sticky: float
) -> None:
    ranked = rank(LLMS, scores, eligible, {})
    chosen = choose(ranked, Thresholds(sticky), defaults=(), session_llm=session).order[0].llm
    mine = next((r for r in ranked if r.llm == session), None)
    within = mine is not None and mine.adjusted_score >= ranked[0].adjusted_score - sticky
    assert chosen == (session if within else ranked[0].llm)


def test_stickiness_comes_before_abstention() -> None:
    ranked = rank(LLMS, [1.0, 0.9, 0.8, 0.0, 0.0], LLMS, {})
    thresholds = Thresholds(sticky_margin=0.25, min_margin=0.5)
    choice = choose(ranked, thresholds, defaults=["b"], session_llm="c")
    assert (choice.order[0].llm, choice.rule) == ("c", Rule.STICKY)
    assert choose(ranked, thresholds, defaults=["b"]).rule is Rule.ABSTAINED
