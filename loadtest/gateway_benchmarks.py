"""What the gateway costs: against an empty gRPC server, against Triton without it, with and without its cache.

Queries are never repeated unless a benchmark says so. Parts run as processes of their own on this machine, and so does
the load generator.
"""

import asyncio
import itertools
import struct
from collections.abc import Iterator

from tritonclient.grpc import service_pb2

from contract import tensors
from contract.v1 import router_pb2 as pb
from loadtest.calls import Round, Service, WrongAnswerError
from loadtest.comparison import Comparison, Goal, in_turns
from loadtest.parts import Part, Parts

_CALLERS = 32
_CALLS = 2500  # a round of those that are answered at once: one to two seconds
_SECONDS_AT_RATE = 4.0
_ROUTE = "/routerdc.v1.Router/Route"
_INFER = "/inference.GRPCInferenceService/ModelInfer"
_OUTPUTS = (tensors.SCORES, tensors.TOKEN_COUNT, tensors.TRUNCATED, tensors.BUNDLE_ID)
_REPEATED = pb.RouteRequest(query="What is the capital of France?").SerializeToString()
_numbers = itertools.count()


def over_echo_cached(parts: Parts, rounds: int) -> list[Comparison]:
    """Calls a second with scores from the gateway's own cache."""
    return _over_echo(parts, rounds, "over an empty gRPC server: scores cached", repeated=True)


def over_echo_scored(parts: Parts, rounds: int) -> list[Comparison]:
    """Calls a second where each query goes to a Triton that has its scores at once."""
    return _over_echo(parts, rounds, "over an empty gRPC server: instant Triton", repeated=False)


def over_triton(parts: Parts, rounds: int) -> list[Comparison]:
    """Latency through the gateway over that of Triton called directly, at half of Triton's maximum load."""

    async def measure(triton: Part, gateway: Part) -> tuple[list[tuple[Round, Round]], float]:
        async with _direct(triton).connect() as direct, _gateway(gateway).connect() as routed:
            maximum = (await direct.closed_loop(400, 16)).calls_per_second
            await routed.closed_loop(50, 4)
            rate, calls = maximum / 2, int(maximum / 2 * _SECONDS_AT_RATE)
            pairs = await in_turns(lambda: routed.at_rate(calls, rate), lambda: direct.at_rate(calls, rate), rounds)
            return pairs, rate

    with parts.triton() as triton, parts.gateway(triton) as gateway:
        pairs, rate = asyncio.run(measure(triton, gateway))
    conditions = f"{rate:.0f} queries/s, half of Triton's maximum; {_SECONDS_AT_RATE:g} s a round"
    goals = {0.5: Goal("added", most=1), 0.99: Goal("ratio", most=1.25)}
    return [_latency(pairs, share, "over Triton called directly", goal, conditions) for share, goal in goals.items()]


def cache_hit(parts: Parts, rounds: int) -> list[Comparison]:
    """Latency of a query whose scores are cached over that of one that Triton scores; one caller."""

    with parts.triton() as triton, parts.gateway(triton) as gateway:
        hits, misses = _gateway(gateway, repeated=True), _gateway(gateway)
        pairs = asyncio.run(_one_by_one(hits, misses, 200, 60, rounds))
    return [_latency(pairs, 0.5, "of a cache hit over a miss", Goal("ratio", most=0.3), "one caller")]


def cache_without_hits(parts: Parts, rounds: int) -> list[Comparison]:
    """A gateway whose cache never hits over one without: calls a second with an instant Triton, latency with a real."""
    name, rounds = "with a cache that never hits over none", 2 * rounds  # a small difference needs more rounds
    with parts.instant_triton() as triton, parts.gateway(triton) as on, parts.gateway(triton, cache_entries=0) as off:
        throughputs = asyncio.run(_throughputs(_gateway(on), _gateway(off), rounds))
    with parts.triton() as triton, parts.gateway(triton) as on, parts.gateway(triton, cache_entries=0) as off:
        latencies = asyncio.run(_one_by_one(_gateway(on), _gateway(off), 60, 60, rounds))
    return [
        _throughput(throughputs, f"calls/s {name}: instant Triton", Goal("ratio", least=0.98)),
        _cpu(throughputs, f"CPU per call {name}: instant Triton"),
        _latency(latencies, 0.5, f"{name}: real Triton", Goal("ratio", most=1.02), "one caller"),
    ]


def two_workers(parts: Parts, rounds: int) -> list[Comparison]:
    """Calls a second of two workers over one; instant Triton, sixteen connections, as the kernel spreads those."""
    with parts.instant_triton() as triton, parts.gateway(triton) as one, parts.gateway(triton, workers=2) as two:
        pairs = asyncio.run(_throughputs(_gateway(two), _gateway(one), rounds, connections=16))
    # Besides the workers the load generator and the stand-in for Triton are busy, a core each.
    return [_throughput(pairs, "calls/s of two workers over one", Goal("ratio", least=1.8, cores=4), connections=16)]


def _over_echo(parts: Parts, rounds: int, name: str, *, repeated: bool) -> list[Comparison]:
    with parts.instant_triton() as triton, parts.gateway(triton) as gateway:
        answer = asyncio.run(_answer(_gateway(gateway)))
        with parts.echo(answer) as echo:
            reference = Service(echo.address, _ROUTE, _routes(repeated), lambda _: None, echo.pid)
            pairs = asyncio.run(_throughputs(_gateway(gateway, repeated=repeated), reference, rounds))
    return [_throughput(pairs, f"calls/s {name}", Goal("ratio", least=0.6)), _cpu(pairs, f"CPU per call {name}")]


async def _answer(gateway: Service) -> pb.RouteResponse:
    async with gateway.connect() as connected:
        return pb.RouteResponse.FromString(await connected.calls[0](next(gateway.requests)))


async def _throughputs(
    ours: Service, reference: Service, rounds: int, connections: int = 1
) -> list[tuple[Round, Round]]:
    async with ours.connect(connections) as a, reference.connect(connections) as b:
        await a.closed_loop(_CALLS, _CALLERS)
        await b.closed_loop(_CALLS, _CALLERS)
        return await in_turns(lambda: a.closed_loop(_CALLS, _CALLERS), lambda: b.closed_loop(_CALLS, _CALLERS), rounds)


async def _one_by_one(
    ours: Service, reference: Service, our_calls: int, reference_calls: int, rounds: int
) -> list[tuple[Round, Round]]:
    async with ours.connect() as a, reference.connect() as b:
        await a.closed_loop(50, 1)
        await b.closed_loop(50, 1)
        return await in_turns(lambda: a.closed_loop(our_calls, 1), lambda: b.closed_loop(reference_calls, 1), rounds)


def _throughput(pairs: list[tuple[Round, Round]], name: str, goal: Goal, connections: int = 1) -> Comparison:
    ours, reference = zip(*((a.calls_per_second, b.calls_per_second) for a, b in pairs), strict=True)
    conditions = f"{_CALLERS} callers, {connections} connection{'s' if connections > 1 else ''}, {_CALLS} calls a round"
    return Comparison(name, "calls/s", ours, reference, goal, conditions)


def _cpu(pairs: list[tuple[Round, Round]], name: str) -> Comparison:
    ours, reference = zip(*((a.cpu_ms, b.cpu_ms) for a, b in pairs), strict=True)
    return Comparison(name, "ms", ours, reference, conditions="CPU time of the serving process, in the same rounds")


def _latency(pairs: list[tuple[Round, Round]], share: float, name: str, goal: Goal, conditions: str) -> Comparison:
    ours, reference = zip(*((a.latency_ms(share), b.latency_ms(share)) for a, b in pairs), strict=True)
    return Comparison(f"p{share * 100:.0f} {name}", "ms", ours, reference, goal, conditions)


def _gateway(gateway: Part, *, repeated: bool = False) -> Service:
    wanted = {pb.REASON_CACHED, pb.REASON_ROUTED} if repeated else {pb.REASON_ROUTED}

    def check(answer: bytes) -> None:
        response = pb.RouteResponse.FromString(answer)
        if response.reason not in wanted:
            raise WrongAnswerError(f"{pb.Reason.Name(response.reason)}: {response.reason_detail}")

    return Service(gateway.address, _ROUTE, _routes(repeated), check, gateway.pid)


def _direct(triton: Part) -> Service:
    def check(answer: bytes) -> None:
        if not service_pb2.ModelInferResponse.FromString(answer).raw_output_contents:
            raise WrongAnswerError("Triton answered without scores")

    return Service(triton.address, _INFER, map(_infer, map(_query, _numbers)), check, triton.pid)


def _query(number: int) -> str:
    return f"{number}: which of these planets has the most moons, and who found the largest one of them?"


def _routes(repeated: bool) -> Iterator[bytes]:
    if repeated:
        return itertools.repeat(_REPEATED)
    return (pb.RouteRequest(query=_query(number)).SerializeToString() for number in _numbers)


def _infer(query: str) -> bytes:
    """The message that the gateway sends for one query."""
    request = service_pb2.ModelInferRequest(model_name=tensors.ROUTER_MODEL)
    request.inputs.add(name=tensors.QUERY, datatype="BYTES", shape=[1, 1])
    for name in _OUTPUTS:
        request.outputs.add(name=name)
    element = query.encode()
    request.raw_input_contents.append(struct.pack("<I", len(element)) + element)
    message: bytes = request.SerializeToString()
    return message
