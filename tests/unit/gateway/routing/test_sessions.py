"""The memory itself, and what callers with a session id see."""

import time
from collections.abc import Awaitable, Callable

import pytest
from grpc import aio

from gateway.config.groups import SessionLimits
from gateway.domain.query import RouteQuery
from gateway.errors import ScorerUnavailableError
from gateway.limits.query_budget import QueryBudget
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from gateway.routing.sessions import Sessions
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.fakes.scorer import FakeScorer
from tests.unit.gateway.conftest import Running, endpoints_file

Start = Callable[..., Awaitable[Running]]


def test_the_last_llm_of_a_session_is_remembered_for_its_time() -> None:
    now = [0.0]
    sessions = Sessions(SessionLimits(session_ttl_seconds=5), clock=lambda: now[0])
    sessions.remember("s", "a")
    now[0] = 4.9
    sessions.remember("s", "b")
    now[0] = 9.8
    assert (sessions.llm("s"), sessions.llm("t")) == ("b", None)
    now[0] = 9.9
    assert sessions.llm("s") is None


def test_the_least_recently_used_sessions_are_forgotten_first() -> None:
    sessions = Sessions(SessionLimits(max_sessions=2))
    for session in ("old", "kept", "old", "new"):
        sessions.remember(session, "a")
    assert [sessions.llm(s) for s in ("old", "kept", "new")] == ["a", None, "a"]
    assert len(sessions) == 2


def test_nobody_makes_others_sessions_forgotten_by_inventing_ids() -> None:
    sessions = Sessions(SessionLimits(max_sessions=100))
    for i in range(10):
        sessions.remember(f"mine-{i}", "a", "careful")
    for i in range(1000):
        sessions.remember(f"invented-{i}", "b", "careless")
    assert [sessions.llm(f"mine-{i}", "careful") for i in range(10)] == ["a"] * 10
    assert (sessions.llm("mine-0", "careless"), len(sessions)) == (None, 100)


def test_no_id_is_no_session() -> None:
    sessions = Sessions()
    sessions.remember("", "a")
    assert (sessions.llm(""), len(sessions)) == (None, 0)


async def ask(running: Running, query: str, session_id: str = "s") -> tuple[str, int]:
    response = await running.stub.Route(pb.RouteRequest(query=query, session_id=session_id))
    return response.llm, response.reason


SCORER: dict[str, tuple[float, ...]] = {
    "alpha": (0.9, 0.5, 0.1),
    "close": (0.5, 0.6, 0.1),
    "far": (0.1, 0.9, 0.1),
    "down": (0.0, 0.0, 0.0),
}


async def test_a_session_keeps_its_llm_until_another_is_clearly_better(start: Start) -> None:
    running = await start(FakeScorer(values=SCORER), sticky_margin=0.2)
    assert await ask(running, "close", "other") == ("beta", pb.REASON_ROUTED)
    assert await ask(running, "alpha") == ("alpha", pb.REASON_ROUTED)
    assert await ask(running, "close") == ("alpha", pb.REASON_STICKY)
    assert await ask(running, "far") == ("beta", pb.REASON_ROUTED)
    assert await ask(running, "close") == ("beta", pb.REASON_ROUTED)
    assert running.metric("routerdc_requests_total", llm="alpha", reason="sticky") == 1


async def test_without_scores_the_sessions_llm_comes_before_the_default(start: Start) -> None:
    faults: dict[str, BaseException] = {"down": ScorerUnavailableError("x")}
    running = await start(FakeScorer(values=SCORER, faults=faults))
    await ask(running, "far")
    assert await ask(running, "down") == ("beta", pb.REASON_FALLBACK)
    assert await ask(running, "down", "other") == ("alpha", pb.REASON_FALLBACK)


async def test_a_session_does_not_bring_back_a_denied_llm(start: Start) -> None:
    running = await start(FakeScorer(values=SCORER), sticky_margin=9)
    await ask(running, "far")
    response = await running.stub.Route(pb.RouteRequest(query="far", session_id="s", denied_llms=["beta"]))
    assert response.llm != "beta"


async def test_a_session_id_that_is_too_long_is_refused(start: Start) -> None:
    with pytest.raises(aio.AioRpcError, match="session_id: longer than 1024 bytes"):
        await ask(await start(), "q", "s" * 1025)


async def test_sessions_of_different_api_keys_are_apart_although_their_ids_are_equal() -> None:
    router = Router(
        PoolRef(Pool(endpoints_file(policy={"sticky_margin": 9}))), FakeScorer(values=SCORER), QueryBudget(10, 1)
    )
    for caller, text, llm in (("a", "far", "beta"), ("b", "alpha", "alpha"), ("a", "alpha", "beta")):
        query = RouteQuery(text, (), None, 1, "id", session_id="chat-1", caller=caller)
        assert (await router.route(query, time.monotonic() + 5)).candidates[0].llm == llm
