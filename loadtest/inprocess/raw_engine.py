"""The engine of a filled model repository alone, in this process: token ids in, embeddings out.

python -m loadtest.inprocess.raw_engine REPOSITORY

{"do": "shape", "rows": 64, "tokens": 128, "seconds": 0.5}   seconds of each pass over such rows
{"do": "queries", "queries": […], "batch": 64}               seconds for all, tokenized and sliced before
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import numpy as np

from loadtest.inprocess.served_engine import load

_MAX_ROWS = 64  # of the Triton model, and of a plan's profiles
_PASSES = 3


class _Recorder:
    """Stands in the engine's place and notes what it would be asked to compute."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.parallel = inner.parallel
        self.asked: list[Any] = []

    def embed(self, slices: Any) -> Any:
        self.asked.append(slices)
        return self.inner.embed(slices)


def shape(pipeline: Any, rows: int, tokens: int, seconds: float) -> dict[str, Any]:
    """Warmed up once; more than 64 rows are several slices, all in flight together."""
    parts = [_slice(min(_MAX_ROWS, rows - start), tokens) for start in range(0, rows, _MAX_ROWS)]
    pipeline._engine.embed(parts)
    took = list[float]()
    while len(took) < _PASSES or sum(took) < seconds:
        started = time.perf_counter()
        pipeline._engine.embed(parts)
        took.append(time.perf_counter() - started)
    return {"seconds": took}


def queries(pipeline: Any, queries: list[str], batch: int) -> dict[str, Any]:
    """What the engine is asked for these queries, asked again by itself."""
    recorder = pipeline._engine = _Recorder(pipeline._engine)
    try:
        for start in range(0, len(queries), batch):
            pipeline.route(queries[start : start + batch])
    finally:
        pipeline._engine = recorder.inner
    started = time.perf_counter()
    for slices in recorder.asked:
        pipeline._engine.embed(slices)
    return {"seconds": time.perf_counter() - started}


_DO: dict[str, Callable[..., dict[str, Any]]] = {"shape": shape, "queries": queries}


def _slice(rows: int, tokens: int) -> Any:
    from engines.engine import TokenSlice  # the served model's own, on the path once it is loaded

    ids = np.random.default_rng(0).integers(1000, 2000, (rows, tokens), dtype=np.int32)
    return TokenSlice(ids, np.ones_like(ids))


def _commands() -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in sys.stdin)


@click.command()
@click.argument("repository", type=click.Path(exists=True, file_okay=False))
def main(repository: str) -> None:
    """Obeys until stdin ends."""
    from pathlib import Path

    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to the log
    pipeline, _ = load(Path(repository))
    results.write(json.dumps({"ready": True}) + "\n")
    for command in _commands():
        results.write(json.dumps(_DO[command.pop("do")](pipeline, **command)) + "\n")


if __name__ == "__main__":
    main()
