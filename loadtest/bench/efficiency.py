"""How much of what the servers burn is the engine: nothing but scoring is what a caller wants to pay for.

CPU time is that of the whole process trees (Triton, its Python processes, the gateway) from /proc, while callers keep
them busy; the raw engine's is that of the same pipeline in a process of its own, on as many queries at a time.
"""

import asyncio
import statistics

from loadtest.bench.comparison import Comparison, Goal
from loadtest.bench.setting import Setting, Subject
from loadtest.closed_loop.closed_loop import Round, Service
from loadtest.open_loop import precise_loop
from loadtest.open_loop.arrivals import poisson
from loadtest.open_loop.curve import trace
from loadtest.open_loop.generator import Load, offer
from loadtest.open_loop.targets import grpc_target
from loadtest.requests import messages
from loadtest.servers import targets
from loadtest.servers.servers import Part
from loadtest.servers.worker import Work, Worker

_CALLERS = 32
_BATCH = 64
_BATCH_CALLERS = 2
_QUERIES = {"shipped": 1536, "full depth": 512}  # of a round: two to five seconds
# The cheaper the encoder, the more of the time is everything else: the goals are those of full depth.
_GOALS = {"shipped": (None, None), "full depth": (Goal("ratio", least=0.7), Goal("ratio", least=0.9))}
_GOAL_P99_MS = 50.0
_SECONDS_AT_RATE = 6.0
_GOAL_SHARE = 0.7
_TIMEOUT_SECONDS = 5.0


def cpu_share(setting: Setting) -> list[Comparison]:
    """The raw engine's CPU time for a query over that of all servers."""
    return [row for subject in (setting.full_depth, setting.shipped) for row in _cpu_share(setting, subject)]


def poisson_over_closed_loop(setting: Setting) -> list[Comparison]:
    """The highest rate of independent callers that keeps p99 within its goal, over what callers that wait can reach."""

    async def measure(gateway: Part) -> tuple[list[float], list[float]]:
        held, reached = list[float](), list[float]()
        seeds = iter(range(10**6))
        async with (
            targets.route(gateway, setting.queries).connect() as connected,
            grpc_target(gateway.address, messages.ROUTE, messages.route_problem) as target,
        ):

            async def at_rate(rate: float) -> Load:
                arrivals = poisson(rate, max(0.5, _SECONDS_AT_RATE * setting.effort.scale), next(seeds))
                requests = [messages.route(query) for query in setting.queries.take(len(arrivals))]
                return await offer(target, requests, arrivals, _TIMEOUT_SECONDS)

            async def closed_loop() -> float:
                return (await connected.closed_loop(setting.effort.of(_QUERIES["shipped"]), _CALLERS)).calls_per_second

            await closed_loop()
            for _ in range(setting.effort.rounds):
                before = await closed_loop()
                curve = await trace("gateway", at_rate, _GOAL_P99_MS, before * _GOAL_SHARE)
                reached.append(statistics.mean([before, await closed_loop()]))
                held.append(curve.highest_rate_within_goal or 0.0)
        return held, reached

    with setting.parts.triton(setting.shipped.repository) as triton, setting.parts.gateway(triton) as gateway:
        held, reached = precise_loop.run(measure(gateway))
    name = f"queries/s of independent callers (Poisson) with p99 within {_GOAL_P99_MS:g} ms over {_CALLERS} that wait"
    conditions = f"shipped bundle through the gateway, {_SECONDS_AT_RATE:g} s a rate, rates within 10 % of each other"
    return [Comparison(name, "queries/s", tuple(held), tuple(reached), Goal("ratio", least=_GOAL_SHARE), conditions)]


def _cpu_share(setting: Setting, subject: Subject) -> list[Comparison]:
    count = setting.effort.of(_QUERIES[subject.name])
    unary_load, batch_load = (count, _CALLERS, 1), (max(2, count // _BATCH), _BATCH_CALLERS, _BATCH)
    unary_goal, batch_goal = _GOALS[subject.name]
    parts, queries = setting.parts, setting.queries
    with (
        parts.triton(subject.repository) as triton,
        parts.gateway(triton) as gateway,
        parts.engine(subject.repository) as engine,
    ):
        unary = targets.route(gateway, queries, triton)
        batched = targets.route_batch(gateway, queries, _BATCH, triton)
        return [
            _share(setting, engine, unary, unary_load, f"Route, {subject.name}", unary_goal),
            _share(setting, engine, batched, batch_load, f"RouteBatch({_BATCH}), {subject.name}", batch_goal),
        ]


def _share(
    setting: Setting, engine: Worker, service: Service, load: tuple[int, int, int], name: str, goal: Goal | None
) -> Comparison:
    calls, callers, size = load

    async def measure() -> list[tuple[Work, Round]]:
        async with service.connect() as connected:

            async def servers() -> Round:
                return await connected.closed_loop(calls, callers)

            async def raw() -> Work:
                return engine.batches(setting.queries.take(calls * size), max(size, callers))

            await servers()
            await raw()
            return await setting.in_turns(raw, servers)

    pairs = asyncio.run(measure())
    ours, reference = zip(*((a.cpu_ms, b.cpu_ms / size) for a, b in pairs), strict=True)
    conditions = f"{callers} callers, {calls * size} queries a round; the engine in batches of {max(size, callers)}"
    name = f"CPU per query of the engine over all servers: {name}"
    return Comparison(name, "ms", ours, reference, goal, conditions, larger_is_better=True)
