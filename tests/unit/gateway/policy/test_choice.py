from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.choice import Rule, choose
from gateway.policy.ranking import rank

LLMS = tuple("abcde")
values = st.lists(st.floats(-10, 10, width=32), min_size=5, max_size=5)
some = st.frozensets(st.sampled_from(LLMS), min_size=1)
llm = st.sampled_from(LLMS)
margins = st.floats(0, 5)


@given(values)
def test_neutral_policy_equals_the_argmax_of_the_scores(scores: list[float]) -> None:
    choice = choose(rank(LLMS, scores, LLMS, {}), None, 0.0, 0.0, LLMS)
    assert (choice.order[0].llm, choice.rule) == (LLMS[scores.index(max(scores))], Rule.BEST)


@given(values, some, st.none() | llm, margins, margins, st.lists(llm))
def test_only_eligible_llms_are_chosen_and_the_others_follow_by_adjusted_score(
    scores: list[float], eligible: frozenset[str], session: str | None, sticky: float, least: float, defaults: list[str]
) -> None:
    order = choose(rank(LLMS, scores, eligible, {}), session, sticky, least, defaults).order
    assert {r.llm for r in order} == eligible
    rest = [r.adjusted_score for r in order[1:]]
    assert rest == sorted(rest, reverse=True)


@given(values, some, llm, margins)
def test_a_sessions_llm_stays_exactly_while_it_is_within_the_margin(
    scores: list[float], eligible: frozenset[str], session: str, sticky: float
) -> None:
    ranked = rank(LLMS, scores, eligible, {})
    chosen = choose(ranked, session, sticky, 0.0, ()).order[0].llm
    mine = next((r for r in ranked if r.llm == session), None)
    within = mine is not None and mine.adjusted_score >= ranked[0].adjusted_score - sticky
    assert chosen == (session if within else ranked[0].llm)


def test_stickiness_comes_before_abstention() -> None:
    ranked = rank(LLMS, [1.0, 0.9, 0.8, 0.0, 0.0], LLMS, {})
    choice = choose(ranked, "c", 0.25, 0.5, ["b"])
    assert (choice.order[0].llm, choice.rule) == ("c", Rule.STICKY)
    assert choose(ranked, None, 0.25, 0.5, ["b"]).rule is Rule.ABSTAINED
