"""What Triton's host pays for a query beside an engine that answers at once, over Hugging Face's tokenizers alone.

On a GPU the encoder costs almost nothing, and the host decides how many queries a second a machine can take.
"""

import asyncio

from loadtest.bench.comparison import Comparison, Goal
from loadtest.bench.setting import Setting
from loadtest.closed_loop.closed_loop import Round, Service
from loadtest.servers import targets
from loadtest.servers.null_repository import null_repository
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
