"""What the other doors cost beside a plain gRPC call: decisions over HTTP, and conversations.

Queries are at random moments (Poisson), at a rate that two cores carry easily, and are never repeated unless a row says
so. Triton is a real one with the shipped bundle.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from typing import NamedTuple

from loadtest.bench.comparison import Comparison, Goal
from loadtest.bench.setting import Setting
from loadtest.closed_loop.usage import cpu_seconds
from loadtest.open_loop import precise_loop
from loadtest.open_loop.arrivals import poisson
from loadtest.open_loop.generator import Load, Target, offer
from loadtest.open_loop.targets import decision_target, grpc_target
from loadtest.requests import messages
from loadtest.servers.servers import Part, llms_of

_RATE = 50.0
_SECONDS = 8.0
_TIMEOUT_SECONDS = 20.0
_OPENERS = 20  # conversations, whose first texts are cached after the first round
_CONDITIONS = f"{_RATE:g} queries/s at random (Poisson), {_SECONDS:g} s a round"
_REPEATED = "What is the capital of France?"
_HTTP_GOAL = Goal("ratio", most=1.3, cores=2)
_CACHED_GOAL = Goal("added", most=1.1, cores=2)  # 1.5 ms altogether, of which gRPC takes 0.4
_TURNS_GOAL = Goal("added", most=0.5, cores=2)


class _Offered(NamedTuple):
    """What came of a round, and the gateway's CPU time for each call."""

    load: Load
    cpu_ms: float


Way = tuple[Callable[[], AbstractAsyncContextManager[Target]], Callable[[str], bytes]]


def decisions_over_grpc(setting: Setting) -> list[Comparison]:
    """Latency of a choice among all LLMs by /v1/systemone over that of Route, for new queries and for a cached one."""
    with _served(setting) as (triton, gateway):
        http, llms = partial(decision_target, gateway.url), llms_of(triton.address)
        grpc = partial(grpc_target, gateway.address, messages.ROUTE, messages.route_problem)
        ways = (http, lambda query: messages.choice(query, llms)), (grpc, messages.route)
        cached_ways = [(connect, _always(encode(_REPEATED))) for connect, encode in ways]
        new = precise_loop.run(_pairs(setting, gateway, *ways))
        cached = precise_loop.run(_pairs(setting, gateway, *cached_ways))
    name = "of /v1/systemone over Route by gRPC"
    return [
        _latency(new, 0.5, name, _HTTP_GOAL),
        _latency(new, 0.99, name, _HTTP_GOAL),
        _cpu(new, name),
        _latency(cached, 0.5, f"{name}, scores cached", _CACHED_GOAL),
        _cpu(cached, f"{name}, scores cached"),
    ]


def conversations_over_queries(setting: Setting) -> list[Comparison]:
    """Latency of a chat's third user text, new while those before it are cached, over that of a single new query."""
    openers = itertools.cycle(setting.queries.take(_OPENERS))
    with _served(setting) as (_, gateway):
        grpc = partial(grpc_target, gateway.address, messages.ROUTE, messages.route_problem)
        chat = (grpc, lambda query: messages.conversation(next(openers), query))
        pairs = precise_loop.run(_pairs(setting, gateway, chat, (grpc, messages.route)))
    name = "of a third turn over a single query"
    return [_latency(pairs, 0.5, name, _TURNS_GOAL), _latency(pairs, 0.99, name), _cpu(pairs, name)]


@contextmanager
def _served(setting: Setting) -> Iterator[tuple[Part, Part]]:
    """Triton, and a gateway with an HTTP door."""
    with (
        setting.parts.triton(setting.shipped.repository) as triton,
        setting.parts.gateway(triton, http_port=0) as gateway,
    ):
        yield triton, gateway


def _always(request: bytes) -> Callable[[str], bytes]:
    return lambda _: request


async def _pairs(setting: Setting, gateway: Part, ours: Way, reference: Way) -> list[tuple[_Offered, _Offered]]:
    arrivals = poisson(_RATE, max(0.5, _SECONDS * setting.effort.scale), 0)
    async with ours[0]() as one, reference[0]() as other:

        async def of(target: Target, encode: Callable[[str], bytes]) -> _Offered:
            requests = [encode(query) for query in setting.queries.take(len(arrivals))]
            before = cpu_seconds(gateway.pid)
            load = await offer(target, requests, arrivals, _TIMEOUT_SECONDS)
            return _Offered(load, (cpu_seconds(gateway.pid) - before) / len(arrivals) * 1000)

        await of(one, ours[1])
        await of(other, reference[1])
        return await setting.in_turns(lambda: of(one, ours[1]), lambda: of(other, reference[1]))


def _cpu(pairs: list[tuple[_Offered, _Offered]], name: str) -> Comparison:
    ours, reference = zip(*((a.cpu_ms, b.cpu_ms) for a, b in pairs), strict=True)
    return Comparison(
        f"CPU per call {name}", "ms", ours, reference, None, "CPU time of the gateway, in the same rounds"
    )


def _latency(pairs: list[tuple[_Offered, _Offered]], share: float, name: str, goal: Goal | None = None) -> Comparison:
    ours, reference = zip(*((a.load.latency_ms(share), b.load.latency_ms(share)) for a, b in pairs), strict=True)
    return Comparison(f"p{share * 100:.0f} {name}", "ms", ours, reference, goal, _CONDITIONS)
