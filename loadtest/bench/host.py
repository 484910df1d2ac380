"""What the host pays for a query: Triton's model beside an engine that answers at once, and the gateway.

On a GPU the encoder costs almost nothing, and the host decides how many queries a second a machine can take. The
reference for Triton is what Hugging Face's tokenizers alone take for the same texts in the same run.
"""

import asyncio
from functools import partial
from typing import NamedTuple

from loadtest.bench.comparison import Comparison, Goal
from loadtest.bench.setting import Setting
from loadtest.closed_loop.closed_loop import Connected, Round, Service
from loadtest.closed_loop.streams import through_streams
from loadtest.closed_loop.usage import cpu_seconds
from loadtest.inprocess.host_parts import PARTS
from loadtest.requests import messages
from loadtest.servers import targets
from loadtest.servers.null_repository import null_repository
from loadtest.servers.servers import Part
from loadtest.servers.worker import Work, Worker
from routerdc_contract.bundle import Manifest
from routerdc_contract.v1 import router_pb2 as pb

_ROWS = 64
_QUERIES = 6400
_BATCH_CALLERS = 4
_CALLERS = 32
_GOALS = {_ROWS: Goal("ratio", most=0.6), 1: Goal("ratio", most=2.0)}


def host_over_tokenizers(setting: Setting) -> list[Comparison]:
    """CPU time of the whole process tree of Triton, with 64 queries a request and with one."""
    subject = setting.shipped
    limit = Manifest.read(subject.bundle).tokenizer.max_tokens
    repository = null_repository(subject.repository, setting.parts.folder)
    reference = ("huggingface_tokenizers", str(subject.bundle / "tokenizer.json"), str(limit))
    with setting.parts.triton(repository) as triton, setting.parts.worker(*reference) as tokenizers:
        return [
            _compared(setting, targets.infer(triton, setting.queries, rows), tokenizers, rows, callers)
            for rows, callers in ((_ROWS, _BATCH_CALLERS), (1, _CALLERS))
        ]


_PYTHON_PROCESS = "triton_python_backend_stub"


class _Spent(NamedTuple):
    """CPU time in ms a query, of the model's Python process and of Triton with all of its processes."""

    python: float
    all: float


def host_parts(setting: Setting) -> list[Comparison]:
    """Where the host's share goes, as CPU time of each part over that of Hugging Face's tokenizers.

    The model's own code is timed in a process of its own on the same queries. What Triton's Python process takes beyond
    it are responses and the way to Triton's process and back; what Triton's process takes are gRPC and its scheduler.
    """
    subject = setting.shipped
    limit = str(Manifest.read(subject.bundle).tokenizer.max_tokens)
    repository = null_repository(subject.repository, setting.parts.folder)
    with (
        setting.parts.triton(repository) as triton,
        setting.parts.worker("host_parts", str(repository)) as code,
        setting.parts.worker("huggingface_tokenizers", str(subject.bundle / "tokenizer.json"), limit) as tokenizers,
    ):
        rows = ((_ROWS, _BATCH_CALLERS), (1, _CALLERS))
        return [row for one in rows for row in asyncio.run(_parts(setting, triton, code, tokenizers, *one))]


async def _parts(
    setting: Setting, triton: Part, code: Worker, tokenizers: Worker, rows: int, callers: int
) -> list[Comparison]:
    calls = max(2, setting.effort.of(_QUERIES) // rows)
    found: dict[str, list[float]] = {}
    references: list[float] = []
    async with targets.infer(triton, setting.queries, rows).connect() as connected:

        async def served() -> _Spent:
            before = cpu_seconds(triton.pid, command=_PYTHON_PROCESS)
            ended = await connected.closed_loop(calls, callers)
            python = cpu_seconds(triton.pid, command=_PYTHON_PROCESS) - before
            return _Spent(python / calls / rows * 1000, ended.cpu_ms / rows)

        for turn in range(setting.effort.rounds + 1):  # the first warms up
            queries = setting.queries.take(calls * rows)
            spent, own = await served(), code.batches(queries, rows)
            reference = tokenizers.batches(queries, _ROWS).cpu_ms
            if turn:
                references.append(reference)
                parts = {name: own.counters[name] / own.queries * 1000 for name in PARTS}
                parts["responses and round trips"] = spent.python - sum(parts.values())
                parts["gRPC and scheduling"] = spent.all - spent.python
                for name, value in parts.items():
                    found.setdefault(name, []).append(value)
    conditions = f"{callers} callers, {calls * rows} queries a round; the tokenizers in batches of {_ROWS}"
    return [
        Comparison(f"host's part, {rows} a request: {name}", "ms", tuple(v), tuple(references), None, conditions)
        for name, v in found.items()
    ]


def batch_over_single(setting: Setting) -> list[Comparison]:
    """CPU time of the gateway for a query of a RouteBatch, over that of a Route; scores are there at once."""
    calls = max(2, setting.effort.of(_QUERIES) // _ROWS)

    async def measure(gateway: Part) -> list[tuple[Round, Round]]:
        batched = targets.route_batch(gateway, setting.queries, _ROWS)
        single = targets.route(gateway, setting.queries)
        async with batched.connect() as in_batches, single.connect() as one_by_one:

            async def ours() -> Round:
                return await in_batches.closed_loop(calls, _BATCH_CALLERS)

            async def reference() -> Round:
                return await one_by_one.closed_loop(max(2, calls * _ROWS // 4), _CALLERS)

            await ours()
            await reference()
            return await setting.in_turns(ours, reference)

    with setting.parts.instant_gateway() as gateway:
        pairs = asyncio.run(measure(gateway))
    ours, reference = zip(*((a.cpu_ms / _ROWS, b.cpu_ms) for a, b in pairs), strict=True)
    name = f"CPU of the gateway for a query of RouteBatch({_ROWS}) over one of Route"
    conditions = f"instant scorer, {_BATCH_CALLERS} and {_CALLERS} callers"
    return [Comparison(name, "ms", ours, reference, Goal("ratio", most=0.25), conditions)]


def over_empty_server(setting: Setting) -> list[Comparison]:
    """CPU time of the gateway for a query of each kind of call, over an empty server's for the same kind."""
    batches = max(2, setting.effort.of(_QUERIES) // _ROWS)

    async def answered(gateway: Part) -> pb.RouteResponse:
        async with targets.route(gateway, setting.queries).connect() as connected:
            return pb.RouteResponse.FromString(await connected.calls[0](messages.route("What is 12 times 7?")))

    async def measure(gateway: Part, empty: Part) -> dict[str, list[tuple[Round, Round]]]:
        services = {
            "Route": [targets.route(part, setting.queries) for part in (gateway, empty)],
            f"RouteBatch({_ROWS})": [targets.route_batch(part, setting.queries, _ROWS) for part in (gateway, empty)],
        }
        calls = {"Route": (batches * _ROWS // 4, _CALLERS), f"RouteBatch({_ROWS})": (batches, _BATCH_CALLERS)}
        found = {}
        for kind, (ours, reference) in services.items():
            async with ours.connect() as a, reference.connect() as b:

                async def one(side: Connected, load: tuple[int, int] = calls[kind]) -> Round:
                    return await side.closed_loop(*load)

                found[kind] = await setting.in_turns(partial(one, a), partial(one, b))

        async def streamed(part: Part) -> Round:
            queries = setting.queries.take(batches * _ROWS // 4)
            return await through_streams(part.address, part.pid, queries, _BATCH_CALLERS, _CALLERS // _BATCH_CALLERS)

        found["RouteStream"] = await setting.in_turns(partial(streamed, gateway), partial(streamed, empty))
        return found

    with setting.parts.instant_gateway() as gateway, setting.parts.echo(asyncio.run(answered(gateway))) as empty:
        found = asyncio.run(measure(gateway, empty))
    return [_over_empty(kind, pairs) for kind, pairs in found.items()]


def _over_empty(kind: str, pairs: list[tuple[Round, Round]]) -> Comparison:
    rows = _ROWS if "Batch" in kind else 1
    ours, reference = zip(*((a.cpu_ms / rows, b.cpu_ms / rows) for a, b in pairs), strict=True)
    conditions = f"instant scorer; {_BATCH_CALLERS} streams with {_CALLERS // _BATCH_CALLERS} queries in flight each, "
    conditions += f"{_CALLERS} callers of Route, {_BATCH_CALLERS} of RouteBatch"
    return Comparison(
        f"CPU per query of the gateway over an empty server: {kind}", "ms", ours, reference, None, conditions
    )


def _compared(setting: Setting, service: Service, tokenizers: Worker, rows: int, callers: int) -> Comparison:
    calls = max(2, setting.effort.of(_QUERIES) // rows)

    async def measure() -> list[tuple[Round, Work]]:
        async with service.connect() as connected:

            async def ours() -> Round:
                return await connected.closed_loop(calls, callers)

            async def reference() -> Work:
                return tokenizers.batches(setting.queries.take(calls * rows), _ROWS)

            await ours()
            await reference()
            return await setting.in_turns(ours, reference)

    pairs = asyncio.run(measure())
    ours, reference = zip(*((a.cpu_ms / rows, b.cpu_ms) for a, b in pairs), strict=True)
    name = f"CPU per query of Triton's model without its engine over Hugging Face's tokenizers, {rows} a request"
    conditions = f"{callers} callers, {calls * rows} queries a round; the tokenizers in batches of {_ROWS}"
    return Comparison(name, "ms", ours, reference, _GOALS[rows], conditions)
