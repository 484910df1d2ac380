"""What the host pays for a query: Triton's model beside an engine that answers at once, and the gateway.

On a GPU the encoder costs almost nothing, and the host decides how many queries a second a machine can take. The
reference for Triton is what Hugging Face's tokenizers alone take for the same texts in the same run.
"""

import asyncio

from loadtest.bench.comparison import Comparison, Goal
from loadtest.bench.setting import Setting
from loadtest.closed_loop.closed_loop import Round, Service
from loadtest.servers import targets
from loadtest.servers.null_repository import null_repository
from loadtest.servers.servers import Part
from loadtest.servers.worker import Work, Worker
from routerdc_contract.bundle import Manifest

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
