"""The rules as callers meet them: through the running server."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import grpc
import pytest
from grpc import aio

from gateway.errors import ScorerUnavailableError
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.unit.gateway.conftest import Running, endpoints_file

Start = Callable[..., Awaitable[Running]]


def short_contexts(**tokens: int) -> dict[str, object]:
    llms = endpoints_file().model_dump()["llms"]
    return {name: llm | {"context_tokens": tokens.get(name)} for name, llm in llms.items()}


async def names(running: Running, **request: object) -> list[str]:
    response = await running.stub.Route(pb.RouteRequest(query="q" * 20, max_candidates=9, **request))  # type: ignore[arg-type]
    return [candidate.llm for candidate in response.candidates]


async def test_denied_llms_never_answer_even_where_allowed(start: Start) -> None:
    assert await names(await start(), denied_llms=["beta"]) == ["alpha", "gamma"]
    assert await names(await start(), allowed_llms=["alpha", "beta"], denied_llms=["beta"]) == ["alpha"]


async def test_llms_over_the_highest_price_never_answer(start: Start) -> None:
    assert await names(await start(), max_price=2) == ["alpha", "gamma"]


async def test_rules_hold_in_the_fallback_too(start: Start) -> None:
    scorer = FakeScorer(faults={"q" * 20: ScorerUnavailableError("down")})
    assert await names(await start(scorer), denied_llms=["alpha"]) == ["gamma", "beta"]


async def test_rules_that_leave_nobody_are_refused_with_a_reason_for_each(start: Start) -> None:
    running = await start()
    with pytest.raises(aio.AioRpcError, match="alpha: denied; beta: price 10 is over 5; gamma: denied") as error:
        await names(running, denied_llms=["alpha", "gamma"], max_price=5)
    assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert running.scorer.batches == []


async def test_an_llm_that_cannot_read_the_whole_query_does_not_answer(start: Start) -> None:
    running = await start(file=endpoints_file(llms=short_contexts(beta=19, alpha=20)))
    assert await names(running) == ["alpha", "gamma"]  # the fake scorer counts a token a character


async def test_the_rest_of_a_chat_takes_room_in_the_context(start: Start) -> None:
    running = await start(file=endpoints_file(llms=short_contexts(beta=10)))
    messages = [pb.ChatMessage(role="system", content="s" * 37), pb.ChatMessage(role="user", content="q")]
    for n, best in ((2, "alpha"), (1, "beta")):
        chat = pb.ChatMessages(messages=messages[-n:])
        assert (await running.stub.Route(pb.RouteRequest(chat=chat))).llm == best


async def test_without_scores_the_context_is_held_against_an_estimate(start: Start) -> None:
    scorer = FakeScorer(faults={"q" * 20: ScorerUnavailableError("down")})
    running = await start(scorer, file=endpoints_file(llms=short_contexts(alpha=4, beta=5, gamma=6)))
    assert await names(running) == ["gamma", "beta"]


async def test_the_default_answers_where_no_llm_is_clearly_ahead(start: Start) -> None:
    request = pb.RouteRequest(query="q", min_margin=0.5, max_candidates=9)
    response = await (await start()).stub.Route(request)
    assert ([c.llm for c in response.candidates], response.reason) == (["alpha", "beta", "gamma"], pb.REASON_ABSTAINED)
    assert response.margin == pytest.approx(0.4)
    assert response.reason_detail == "the best LLM is ahead by 0.4 only, not by 0.5"


async def test_the_best_llm_answers_where_it_is_ahead_by_the_margin(start: Start) -> None:
    response = await (await start()).stub.Route(pb.RouteRequest(query="q", min_margin=0.3))
    assert (response.llm, response.reason) == ("beta", pb.REASON_ROUTED)


async def test_the_pool_tells_the_contexts(start: Start) -> None:
    running = await start(file=endpoints_file(llms=short_contexts(beta=10)))
    llms = {llm.name: llm for llm in (await running.stub.ListLlms(pb.ListLlmsRequest())).llms}
    assert (llms["beta"].context_tokens, llms["alpha"].HasField("context_tokens")) == (10, False)


async def test_the_default_answers_where_confidence_is_too_low_and_every_candidate_tells_its_own(start: Start) -> None:
    scorer = FakeScorer(bundle=replace(BUNDLE, calibration=((1.0, 0.0), (1.0, -0.9), None)))
    stub = (await start(scorer)).stub
    for least, llm, reason in ((0.51, "alpha", pb.REASON_ABSTAINED), (0.5, "beta", pb.REASON_ROUTED)):
        response = await stub.Route(pb.RouteRequest(query="q", min_confidence=least, max_candidates=9))
        assert (response.llm, response.reason) == (llm, reason)
        confidences = {c.llm: c.confidence for c in response.candidates if c.HasField("confidence")}
        assert confidences == {"alpha": pytest.approx(0.6224593), "beta": pytest.approx(0.5)}


async def test_a_bundle_without_calibration_tells_no_confidence_and_abstains_from_nobody(start: Start) -> None:
    response = await (await start()).stub.Route(pb.RouteRequest(query="q", min_confidence=1))
    assert (response.llm, response.candidates[0].HasField("confidence")) == ("beta", False)


@pytest.mark.parametrize(
    ("familiarity", "reason"), [(0.2, pb.REASON_UNFAMILIAR), (0.5, pb.REASON_ROUTED), (None, pb.REASON_ROUTED)]
)
async def test_an_unfamiliar_query_is_named_so_and_its_familiarity_is_returned(
    start: Start, familiarity: float | None, reason: pb.Reason.ValueType
) -> None:
    known = {} if familiarity is None else {"q": familiarity}
    response = await (await start(FakeScorer(familiarity=known))).stub.Route(pb.RouteRequest(query="q"))
    assert (response.llm, response.reason) == ("beta", reason)
    assert response.HasField("familiarity") is (familiarity is not None)
    assert response.familiarity == pytest.approx(familiarity or 0.0)
