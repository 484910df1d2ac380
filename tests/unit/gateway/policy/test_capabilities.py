"""Which LLMs can do what a request needs."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.capabilities import Capability, capable, effective

LLMS = frozenset("abc")
some = st.frozensets(st.sampled_from(Capability))


@given(st.dictionaries(st.sampled_from(sorted(LLMS)), some), some)
def test_an_llm_may_answer_exactly_when_it_lacks_nothing(
    listed: dict[str, frozenset[Capability]], needs: frozenset[Capability]
) -> None:
    found = capable(LLMS, listed, needs)
    assert found == {llm for llm in LLMS if llm not in listed or not needs - listed[llm]}


def test_an_llm_that_keeps_to_schemas_writes_json() -> None:
    assert effective([Capability.JSON_SCHEMA]) == {Capability.JSON_SCHEMA, Capability.JSON_OBJECT}
    assert effective([Capability.JSON_OBJECT]) == {Capability.JSON_OBJECT}
