"""One rule for every door: the same chat gets the same answer over gRPC and through Envoy, decided or not."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.config.groups import Deadlines, EndpointRules, Limits, OpenAi
from gateway.domain.conversation import NO_TEXT_IN_LAST
from gateway.domain.outcomes import CallOutcome
from gateway.envoy_config.parts.without_gateway import without_gateway
from gateway.errors import ScorerUnavailableError
from gateway.grpc_api.requests import checked
from gateway.limits.query_budget import QueryBudget
from gateway.openai.apis.chat import Chat
from gateway.openai.auth import Sender
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.routing import Routing
from gateway.policy.capabilities import ApiProtocol
from gateway.pool.endpoint_health import EndpointHealth
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import NO_TEXT, Router
from gateway.telemetry.metrics import Metrics
from routerdc_client import route_request
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.fakes.scorer import FakeScorer
from tests.unit.gateway.conftest import endpoints_file

Answer = tuple[list[str], str, str]  # LLMs in order, reason, detail
Door = Callable[[Router, list[dict[str, Any]], str], Awaitable[Answer]]
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
ASKED = "Which of the two is larger, 9.11 or 9.9?"


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


async def grpc(router: Router, messages: list[dict[str, Any]], session: str = "") -> Answer:
    chat = pb.ChatMessages(messages=map(_message, messages))
    query = checked(pb.RouteRequest(chat=chat, max_candidates=9, session_id=session), router.pool.names, 10**6)
    decision = await router.route(query, time.monotonic() + 5)
    return [candidate.llm for candidate in decision.candidates], decision.reason.value, decision.reason_detail


async def envoy(router: Router, messages: list[dict[str, Any]], session: str = "") -> Answer:
    routing = Routing(router, Metrics(), OpenAi(openai_candidates=9), Limits(), Deadlines(deadline_ms=5000))
    body = json.dumps({"model": "auto", "messages": messages}).encode()
    routed = await routing.route(Chat(), body, Sender(session_id=session))
    return [llm for llm, _ in routed.candidates], routed.reason, routed.detail


def _message(message: dict[str, Any]) -> pb.ChatMessage:
    content = message["content"]
    if not isinstance(content, list):
        return pb.ChatMessage(role=message["role"], content=content or "")
    return pb.ChatMessage(
        role=message["role"], parts=[pb.ContentPart(type=p["type"], text=p.get("text")) for p in content]
    )


def router(scorer: FakeScorer, health: EndpointHealth | None = None) -> Router:
    return Router(PoolRef(Pool(endpoints_file(), health)), scorer, QueryBudget(10, 1))


EVERY_DOOR = pytest.mark.parametrize("door", [grpc, envoy])


@EVERY_DOOR
@pytest.mark.parametrize(
    ("messages", "note"),
    [
        ([{"role": "system", "content": "be brief"}, user(ASKED)], ""),
        ([user([part(ASKED), IMAGE])], ""),
        ([user(ASKED), {"role": "assistant", "content": None}, {"role": "tool", "content": "42"}], ""),
        ([user(ASKED), {"role": "assistant", "content": "9.9"}, user([IMAGE])], NO_TEXT_IN_LAST),
        ([user(ASKED), user("  ")], NO_TEXT_IN_LAST),
        ([user(ASKED), user("<system-reminder>no todos</system-reminder>")], NO_TEXT_IN_LAST),
        ([user(f"<environment_details>x</environment_details>\n{ASKED}")], ""),
    ],
    ids=["plain", "beside an image", "tool result", "image alone", "blank", "reminder alone", "wrapped"],
)
async def test_the_users_ask_is_what_is_scored(door: Door, messages: list[dict[str, Any]], note: str) -> None:
    scorer = FakeScorer()
    llms, reason, detail = await door(router(scorer), messages, "")
    assert (llms, reason) == (["beta", "alpha", "gamma"], "routed")
    assert detail.endswith(note)
    assert scorer.batches == [[ASKED]]


@EVERY_DOOR
@pytest.mark.parametrize(
    "messages",
    [[user([IMAGE])], [user("  ")], [{"role": "system", "content": "be brief"}]],
    ids=["image", "blank", "system"],
)
async def test_a_chat_without_any_user_text_goes_to_the_default(door: Door, messages: list[dict[str, Any]]) -> None:
    scorer = FakeScorer()
    assert await door(router(scorer), messages, "") == (["alpha", "gamma", "beta"], "fallback", NO_TEXT)
    assert scorer.batches == []


@EVERY_DOOR
@pytest.mark.parametrize("messages", [[user(ASKED)], [user([IMAGE])]], ids=["scorer down", "no text"])
async def test_undecided_the_sessions_llm_comes_first(door: Door, messages: list[dict[str, Any]]) -> None:
    scorer = FakeScorer(values={"before": (0.0, 0.0, 1.0)}, faults={ASKED: ScorerUnavailableError("down")})
    target = router(scorer)
    assert (await door(target, [user("before")], "s"))[0][0] == "gamma"
    assert (await door(target, messages, "s"))[0] == ["gamma", "alpha", "beta"]


@EVERY_DOOR
@pytest.mark.parametrize("messages", [[user(ASKED)], [user([IMAGE])]], ids=["scorer down", "no text"])
async def test_undecided_an_ejected_llm_is_left_out(door: Door, messages: list[dict[str, Any]]) -> None:
    health = EndpointHealth(EndpointRules(max_endpoint_failures=1, ejection_seconds=1000))
    target = router(FakeScorer(faults={ASKED: ScorerUnavailableError("down")}), health)
    health.report(target.pool.llms["alpha"].endpoints[0], CallOutcome.ERROR)
    assert (await door(target, messages, ""))[0] == ["gamma", "beta"]


async def test_envoy_without_a_gateway_asks_in_the_same_order() -> None:
    undecided = await envoy(router(FakeScorer()), [user([IMAGE])])
    rendered = without_gateway(endpoints_file()).candidates[ApiProtocol.OPENAI]["auto"]
    assert [cluster.partition("#")[0] for cluster in rendered] == undecided[0]


async def test_a_content_that_is_neither_text_nor_parts_is_refused_by_name() -> None:
    with pytest.raises(OpenAiError, match=r"messages\[0\]\.content: must be a string or a list of content parts"):
        await envoy(router(FakeScorer()), [user({"text": ASKED})])
    with pytest.raises(TypeError, match=r"messages\[0\]\.content"):
        route_request(messages=[user({"text": ASKED})])
