"""What the gateway costs: against an empty gRPC server, against Triton without it, with and without its cache.

Queries are never repeated unless a benchmark says so. Parts run as processes of their own on this machine, and so does
the load generator.
"""

import asyncio
import statistics
from collections.abc import Callable, Set
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import NamedTuple

from loadtest.bench import at_once
from loadtest.bench.comparison import Comparison, Goal
from loadtest.bench.setting import Setting
from loadtest.closed_loop.closed_loop import Connected, Round, Service
from loadtest.closed_loop.usage import all_cores, apart, on_cores
from loadtest.open_loop import precise_loop
from loadtest.open_loop.arrivals import poisson
from loadtest.open_loop.generator import Load, Target, offer
from loadtest.open_loop.targets import grpc_target
from loadtest.requests import messages
from loadtest.servers import targets
from loadtest.servers.servers import Part
from routerdc_contract.v1 import router_pb2 as pb

_CALLERS = at_once.CALLERS
_CALLS = 2500  # a round of those that are answered at once: one to two seconds
_BURSTS = 5
_BURST_CALLS = 400
_SHORT_ROUNDS = 2  # of processes that should differ by 1 or 2 %, for each of the others' rounds
_SECONDS_AT_RATE = 8.0
_ADDED_AT_MOST = {0.5: Goal("added", most=1, cores=2), 0.99: Goal("ratio", most=1.25, cores=2)}
_TIMEOUT_SECONDS = 20.0


def over_echo_cached(setting: Setting) -> list[Comparison]:
    """Calls a second with scores from the gateway's own cache; the scores came from a Triton that is instant."""
    with setting.parts.instant_triton() as triton, setting.parts.gateway(triton) as gateway:
        return _over_echo(setting, targets.route_repeated(gateway), "scores cached", Goal("ratio", least=0.6))


def over_echo_instant(setting: Setting) -> list[Comparison]:
    """Calls a second where the scores are there at once: in the gateway's process, then in another one."""
    found = _over_echo_in(setting, setting.parts.instant_gateway(), "instant scorer", Goal("ratio", least=0.6))
    behind = setting.parts.instant_gateway(behind_cache=True)
    found += _over_echo_in(setting, behind, "instant scorer behind cache and coalescer")
    with setting.parts.instant_triton() as triton, setting.parts.gateway(triton) as gateway:
        return found + _over_echo(setting, targets.route(gateway, setting.queries), "instant Triton, a third process")


def over_triton(setting: Setting) -> list[Comparison]:
    """Latency through the gateway over that of Triton called directly, at half of what the service can carry.

    Beside it a server that does nothing but pass calls on: what any hop through Python costs on this machine. First
    Triton has a core of its own, as its pods have; then all share the cores, and whatever a hop costs, Triton lacks.
    """
    own = _over_triton(setting, *apart())
    shared = _over_triton(setting, all_cores(), all_cores())
    return [
        *_over_direct(own, "gateway", "Triton has a core of its own", _ADDED_AT_MOST),
        *_over_direct(own, "hop", "Triton has a core of its own"),
        *_over_direct(shared, "gateway", "shared cores"),
        *_over_direct(shared, "hop", "shared cores"),
    ]


class _Offered(NamedTuple):
    """Loads of the same queries at the same moments, by the way that they took."""

    rate: float
    loads: dict[str, list[Load]]


def _over_triton(setting: Setting, triton_cores: Set[int], other_cores: Set[int]) -> _Offered:
    parts = setting.parts
    with ExitStack() as running:
        with on_cores(triton_cores):
            triton = running.enter_context(parts.triton(setting.shipped.repository))
        running.enter_context(on_cores(other_cores))
        gateway, hop = running.enter_context(parts.gateway(triton)), running.enter_context(parts.hop(triton))
        return precise_loop.run(_offered(setting, triton, gateway, hop))


async def _offered(setting: Setting, triton: Part, gateway: Part, hop: Part) -> _Offered:
    rate = await _maximum(setting, targets.route(gateway, setting.queries)) / 2
    seconds = max(0.5, _SECONDS_AT_RATE * setting.effort.scale)
    async with (
        grpc_target(triton.address, messages.INFER, messages.infer_problem) as direct,
        grpc_target(hop.address, messages.INFER, messages.infer_problem) as hopped,
        grpc_target(gateway.address, messages.ROUTE, messages.route_problem) as routed,
    ):
        ways: list[tuple[str, Target, Callable[[str], bytes]]] = [
            ("direct", direct, messages.infer),
            ("hop", hopped, messages.infer),
            ("gateway", routed, messages.route),
        ]
        loads: dict[str, list[Load]] = {name: [] for name, _, _ in ways}
        for turn in range(setting.effort.rounds + 1):  # the first warms up
            arrivals = poisson(rate, seconds, turn)
            queries = setting.queries.take(len(arrivals))
            for name, target, encode in ways:
                load = await offer(target, [encode(query) for query in queries], arrivals, _TIMEOUT_SECONDS)
                if turn:
                    loads[name].append(load)
            ways.append(ways.pop(0))  # each comes first in its turn
    return _Offered(rate, loads)


def _over_direct(offered: _Offered, way: str, where: str, goals: dict[float, Goal] | None = None) -> list[Comparison]:
    pairs = list(zip(offered.loads[way], offered.loads["direct"], strict=True))
    at_random = f"{offered.rate:.0f} queries/s at random (Poisson)"
    conditions = f"{at_random}, half of the gateway's maximum; {_SECONDS_AT_RATE:g} s a round"
    name = f"of {'the gateway' if way == 'gateway' else 'a bare hop'} over Triton called directly, {where}"
    return [_latency(pairs, share, name, (goals or {}).get(share), conditions) for share in (0.5, 0.99)]


def cache_hit(setting: Setting) -> list[Comparison]:
    """Latency of a query whose scores are cached over that of one that Triton scores; one caller."""
    with setting.parts.triton(setting.shipped.repository) as triton, setting.parts.gateway(triton) as gateway:
        hits, misses = targets.route_repeated(gateway), targets.route(gateway, setting.queries)
        pairs = asyncio.run(_one_by_one(setting, hits, misses))
    return [_latency(pairs, 0.5, "of a cache hit over a miss", Goal("ratio", most=0.3), "one caller")]


def cache_without_hits(setting: Setting) -> list[Comparison]:
    """A gateway whose cache never hits over one without: CPU time with an instant Triton, latency with a real one."""
    name, parts, queries = "with a cache that never hits over none", setting.parts, setting.queries
    (of_cpu,) = at_once.pairs(
        parts,
        parts.gateway,
        partial(parts.gateway, cache_entries=0),
        [lambda gateway: targets.route(gateway, queries)],
        rounds=_SHORT_ROUNDS * setting.effort.rounds,
        calls=setting.effort.of(at_once.CALLS),
    )
    with (
        parts.triton(setting.shipped.repository) as triton,
        parts.gateway(triton) as on,
        parts.gateway(triton, cache_entries=0) as off,
    ):
        ours, none = targets.route(on, queries), targets.route(off, queries)
        latencies = asyncio.run(_one_by_one(setting, ours, none, times=2))
    return [
        _cpu(of_cpu, f"CPU per call {name}: instant Triton", Goal("ratio", most=1.02), at_once.CONDITIONS),
        _latency(latencies, 0.5, f"{name}: real Triton", Goal("ratio", most=1.02), "one caller"),
    ]


def two_workers(setting: Setting) -> list[Comparison]:
    """Calls a second of two workers over one; instant Triton, sixteen connections, as the kernel spreads those."""
    parts, queries = setting.parts, setting.queries
    with parts.instant_triton() as triton, parts.gateway(triton) as one, parts.gateway(triton, workers=2) as two:
        ours, reference = targets.route(two, queries), targets.route(one, queries)
        pairs = asyncio.run(_throughputs(setting, ours, reference, connections=16))
    # Besides the workers the load generator and the stand-in for Triton are busy, a core each.
    return [_throughput(pairs, "calls/s of two workers over one", Goal("ratio", least=1.8, cores=4), connections=16)]


def _over_echo_in(
    setting: Setting, started: AbstractContextManager[Part], name: str, goal: Goal | None = None
) -> list[Comparison]:
    with started as gateway:
        return _over_echo(setting, targets.route(gateway, setting.queries), name, goal)


def _over_echo(setting: Setting, ours: Service, name: str, goal: Goal | None = None) -> list[Comparison]:
    answer = asyncio.run(_answer(ours))
    with setting.parts.echo(answer) as server:
        pairs = asyncio.run(_throughputs(setting, ours, targets.echo(server, ours.requests)))
    name = f"over an empty gRPC server: {name}"
    return [_throughput(pairs, f"calls/s {name}", goal), _cpu(pairs, f"CPU per call {name}")]


async def _answer(service: Service) -> pb.RouteResponse:
    async with service.connect() as connected:
        return pb.RouteResponse.FromString(await connected.calls[0](next(service.requests)))


async def _maximum(setting: Setting, service: Service) -> float:
    """Calls a second; the median of several bursts, which scatter."""
    async with service.connect() as connected:
        bursts = [
            (await connected.closed_loop(setting.effort.of(_BURST_CALLS), _CALLERS)).calls_per_second
            for _ in range(_BURSTS)
        ]
    return statistics.median(bursts)


async def _throughputs(
    setting: Setting, ours: Service, reference: Service, connections: int = 1
) -> list[tuple[Round, Round]]:
    async with ours.connect(connections) as a, reference.connect(connections) as b:

        async def one(side: Connected) -> Round:
            return await side.closed_loop(setting.effort.of(_CALLS), _CALLERS)

        await one(a)
        await one(b)
        return await setting.in_turns(lambda: one(a), lambda: one(b))


async def _one_by_one(setting: Setting, ours: Service, reference: Service, times: int = 1) -> list[tuple[Round, Round]]:
    async with ours.connect() as a, reference.connect() as b:

        async def one(side: Connected) -> Round:
            return await side.closed_loop(setting.effort.of(100), 1)

        await one(a)
        await one(b)
        return await setting.in_turns(lambda: one(a), lambda: one(b), times)


def _throughput(
    pairs: list[tuple[Round, Round]], name: str, goal: Goal | None = None, connections: int = 1
) -> Comparison:
    ours, reference = zip(*((a.calls_per_second, b.calls_per_second) for a, b in pairs), strict=True)
    conditions = (
        f"{_CALLERS} callers, {connections} connection{'s' if connections > 1 else ''}, "
        f"{len(pairs[0][0].took_ms)} calls a round"
    )
    return Comparison(name, "calls/s", ours, reference, goal, conditions)


def _cpu(
    pairs: list[tuple[Round, Round]], name: str, goal: Goal | None = None, when: str = "in the same rounds"
) -> Comparison:
    ours, reference = zip(*((a.cpu_ms, b.cpu_ms) for a, b in pairs), strict=True)
    return Comparison(name, "ms", ours, reference, goal, f"CPU time of the serving process, {when}")


def _latency(
    pairs: list[tuple[Round, Round]] | list[tuple[Load, Load]],
    share: float,
    name: str,
    goal: Goal | None,
    conditions: str,
) -> Comparison:
    ours, reference = zip(*((a.latency_ms(share), b.latency_ms(share)) for a, b in pairs), strict=True)
    return Comparison(f"p{share * 100:.0f} {name}", "ms", ours, reference, goal, conditions)
