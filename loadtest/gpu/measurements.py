"""Steps `product`, `engine` and `served`: the yardstick, the engine alone by shape, and the way through the gateway."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

from loadtest.closed_loop.closed_loop import Service
from loadtest.gpu.bundles import repository
from loadtest.gpu.encoders import Encoder
from loadtest.gpu.plan import Plan
from loadtest.requests.queries import read_queries
from loadtest.requests.query_stream import Supply
from loadtest.servers import targets
from loadtest.servers.servers import Parts
from routerdc_contract import SAMPLE_QUERIES_FILE

BATCH = 64
_CALLERS = 8
_PRODUCTS = 20


def product(plan: Plan) -> dict[str, Any]:
    """FLOP/s of a large matrix product in the precision of the engines, by torch, the best of several."""
    import torch

    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[plan.precision]
    matrices = [torch.randn(plan.product, plan.product, dtype=dtype, device=plan.device) for _ in range(2)]
    synchronize: Callable[[], None] = torch.cuda.synchronize if plan.device == "cuda" else lambda: None
    seconds = []
    for _ in range(_PRODUCTS):
        synchronize()
        started = time.perf_counter()
        torch.matmul(*matrices)
        synchronize()
        seconds.append(time.perf_counter() - started)
    device = torch.cuda.get_device_name() if plan.device == "cuda" else "CPU"
    return {"device": device, "precision": plan.precision, "flops": 2 * plan.product**3 / min(seconds)}


def engine(encoder: Encoder, plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """One row for each shape: milliseconds of a pass, rows a second, FLOP/s."""
    found = []
    with Parts(_logs(folder)).worker("raw_engine", str(repository(encoder, folder))) as worker:
        for tokens in plan.tokens:
            for rows in plan.rows:
                seconds = worker.ask("shape", rows=rows, tokens=tokens, seconds=plan.seconds)["seconds"]
                middle = statistics.median(seconds)
                found.append(
                    {
                        "encoder": encoder.name,
                        "rows": rows,
                        "tokens": tokens,
                        "ms": middle * 1000,
                        "queries_per_second": rows / middle,
                        "flops": encoder.flops(rows, tokens) / middle,
                    }
                )
    return found


def served(encoder: Encoder, plan: Plan, folder: Path) -> dict[str, Any]:
    """Queries a second in batches of 64, real ones: by the engine alone, through Triton, and through the gateway.

    In turns, the median of the rounds; the engine alone gets the same queries as tokens, sliced as the model slices.
    """
    parts, queries = Parts(_logs(folder)), Supply(read_queries(SAMPLE_QUERIES_FILE))
    where = repository(encoder, folder)
    with ExitStack() as stack:
        triton = stack.enter_context(parts.triton(where))
        gateway = stack.enter_context(parts.gateway(triton, cache_entries=0, triton_window=_CALLERS * BATCH))
        worker = stack.enter_context(parts.worker("raw_engine", str(where)))

        def alone() -> float:
            taken = queries.take(BATCH * plan.batches)
            return len(taken) / float(worker.ask("queries", queries=taken, batch=BATCH)["seconds"])

        ways = (targets.infer(triton, queries, BATCH), targets.route_batch(gateway, queries, BATCH))
        rates = asyncio.run(_in_turns(alone, ways, plan))
    middle = {name: statistics.median(rounds) for name, rounds in rates.items()}
    return {"encoder": encoder.name, "rounds": rates, **middle}


async def _in_turns(alone: Callable[[], float], ways: Sequence[Service], plan: Plan) -> dict[str, list[float]]:
    """Queries a second of the engine alone and of each way, round by round, after one that warms up."""
    rates: dict[str, list[float]] = {"engine": [], "triton": [], "gateway": []}
    async with AsyncExitStack() as stack:
        connected = [await stack.enter_async_context(way.connect(_CALLERS)) for way in ways]
        for turn in range(plan.rounds + 1):
            rounds = [await one.closed_loop(plan.batches, _CALLERS) for one in connected]
            found = [alone(), *(BATCH * one.calls_per_second for one in rounds)]
            if turn:
                for name, rate in zip(rates, found, strict=True):
                    rates[name].append(rate)
    return rates


def write(folder: Path, name: str, content: Any) -> None:
    """`folder/name.json`, which the report reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _logs(folder: Path) -> Path:
    logs = folder / "work" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return logs
