"""What the Triton model's own Python code takes for a query, part by part, in this process and without Triton.

    python -m loadtest.inprocess.host_parts REPOSITORY

The repository's engine should be the null engine. Counts CPU seconds: `decode` (bytes to texts), `tokenize`, `arrays`
(slices, padding, head, argmax).
"""

import time
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np

from loadtest.inprocess.measured import serve
from loadtest.inprocess.served_engine import load

PARTS = ("decode", "tokenize", "arrays")
_MAX_QUERY_BYTES = 1 << 20


@click.command()
@click.argument("repository", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(repository: Path) -> None:
    """Runs the code of the model in REPOSITORY on batches."""
    pipeline, _ = load(repository)
    read_queries: Callable[..., list[str]] = import_module("queries").read_queries
    spent: defaultdict[str, float] = defaultdict(float)
    encode = pipeline._tokenization.encode
    pipeline._tokenization.encode = _timed(encode, "tokenize", spent)
    decode, route = _timed(read_queries, "decode", spent), _timed(pipeline.route, "arrays", spent)

    def answer(queries: list[str]) -> Any:
        rows = np.array([[query.encode()] for query in queries], dtype=np.object_)
        return route(decode(rows, _MAX_QUERY_BYTES)).choice.tolist()

    def taken() -> dict[str, float]:
        found = {part: spent[part] for part in PARTS}
        found["arrays"] -= spent["tokenize"]  # routing holds the tokenizing
        spent.clear()
        return found

    serve(answer, taken)


def _timed(work: Callable[..., Any], name: str, spent: defaultdict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        before = time.process_time()
        try:
            return work(*arguments)
        finally:
            spent[name] += time.process_time() - before

    return timed


if __name__ == "__main__":
    main()
