import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ContextOverflowError, ExcludedError
from gateway.policy.eligibility import CallerRules, estimated_tokens, fitting, permitted

LLMS = frozenset("abcd")
names = st.frozensets(st.sampled_from(sorted(LLMS)))
rules = st.builds(CallerRules, st.none() | names, names, st.none() | st.floats(0, 10))


@given(st.lists(rules, max_size=3), st.dictionaries(st.sampled_from(sorted(LLMS)), st.floats(0, 10)))
def test_an_llm_may_answer_exactly_when_every_rule_lets_it(given: list[CallerRules], prices: dict[str, float]) -> None:
    def lets(rule: CallerRules, llm: str) -> bool:
        cheap = rule.max_price is None or (llm in prices and prices[llm] <= rule.max_price)
        return (rule.allowed is None or llm in rule.allowed) and llm not in rule.denied and cheap

    expected = {llm for llm in LLMS if all(lets(rule, llm) for rule in given)}
    if expected:
        assert permitted(LLMS, prices, given) == expected
    else:
        with pytest.raises(ExcludedError):
            permitted(LLMS, prices, given)


def test_without_rules_everybody_may_answer() -> None:
    assert permitted(LLMS, {}, [CallerRules()]) == permitted(LLMS, {}, []) == LLMS


def test_the_error_has_a_reason_for_each_llm() -> None:
    rule = CallerRules(frozenset("abc"), frozenset("a"), 0.5)
    with pytest.raises(ExcludedError, match=r"a: denied; b: price 2 is over 0.5; c: no price; d: not allowed$"):
        permitted(LLMS, {"b": 2.0}, [rule])


def test_an_llm_whose_context_is_too_short_is_left_out_and_one_without_limit_is_not() -> None:
    assert fitting(LLMS, {"a": 9, "b": 10, "c": 11}, 10) == {"b", "c", "d"}
    with pytest.raises(ContextOverflowError, match=r"a: reads 9 tokens, these are about 10$"):
        fitting(frozenset("a"), {"a": 9}, 10)


def test_tokens_are_estimated_from_bytes_rounded_up() -> None:
    assert [estimated_tokens(n) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]
