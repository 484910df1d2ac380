"""What the page shows of a decision, and the rule in one sentence."""

import pytest

from console.decisions import decision, pool, rule
from routerdc_contract.v1 import router_pb2 as pb

ROUTED = pb.RouteResponse(
    llm="a",
    reason=pb.REASON_ROUTED,
    margin=0.25,
    token_count=7,
    truncated=True,
    bundle_id="b1",
    candidates=[
        pb.Candidate(
            llm="a", score=0.5, adjusted_score=0.5, confidence=0.75, endpoint=pb.Endpoint(address="http://a/v1")
        ),
        pb.Candidate(llm="b", score=0.25, adjusted_score=0.25),
    ],
    timings=pb.StageTimings(total_ns=2_500_000),
)


def changed(**fields: object) -> pb.RouteResponse:
    response = pb.RouteResponse()
    response.CopyFrom(ROUTED)
    response.MergeFrom(pb.RouteResponse(**fields))  # type: ignore[arg-type]
    return response


def test_a_decision_has_every_candidate_by_name() -> None:
    shown = decision(ROUTED)
    assert [candidate["llm"] for candidate in shown["candidates"]] == ["a", "b"]
    assert [candidate["confidence"] for candidate in shown["candidates"]] == [0.75, None]
    assert (shown["reason"], shown["tokens"], shown["truncated"], shown["milliseconds"]) == ("routed", 7, True, 2.5)


def test_familiarity_is_shown_where_the_bundle_knows_it() -> None:
    assert decision(ROUTED)["familiarity"] is None
    assert decision(changed(familiarity=0.25))["familiarity"] == 0.25
    assert decision(changed(familiarity=0.0))["familiarity"] == 0.0


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (ROUTED, "a has the highest score, 0.250 ahead of the second."),
        (
            changed(reason=pb.REASON_CACHED),
            "a has the highest score, 0.250 ahead of the second (scores from the cache).",
        ),
        (
            changed(reason=pb.REASON_ABSTAINED, reason_detail="no LLM is clearly ahead"),
            "a answers: no LLM is clearly ahead.",
        ),
        (
            pb.RouteResponse(llm="a", reason=pb.REASON_FALLBACK, reason_detail="the scorer failed"),
            "a answers: the scorer failed.",
        ),
    ],
)
def test_the_rule_is_one_sentence(response: pb.RouteResponse, sentence: str) -> None:
    assert rule(response) == sentence


def test_the_rule_says_where_cost_counted() -> None:
    response = changed()
    response.candidates[1].adjusted_score = 0.1
    assert "the highest score after its cost" in rule(response)


def test_a_pool_has_prices_and_states_in_words() -> None:
    free = pb.EndpointStatus(endpoint=pb.Endpoint(address="http://a/v1"), state=pb.ENDPOINT_STATE_OUT_OF_USE)
    answer = pb.ListLlmsResponse(
        llms=[pb.Llm(name="a", price=0.0, endpoint_statuses=[free]), pb.Llm(name="b")], bundle_id="b1", default_llm="b"
    )
    shown = pool(answer)
    assert [llm["price"] for llm in shown["llms"]] == [0.0, None]
    assert shown["llms"][0]["endpoints"] == [{"address": "http://a/v1", "state": "out of use"}]
