"""Runs the Triton model's own code in this process: what is compared with torch is what will be served."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from export.domain.errors import ParityError
from export.parity.compare import Answers
from routerdc_contract.bundle import file_sha256

_imported: dict[str, dict[str, ModuleType]] = {}
"""By the hashes of the code's files: in any folder the same code is imported, and proves its tokenizer, once."""


@contextmanager
def served_code(folder: Path) -> Iterator[ModuleType]:
    """The module `pipeline` of the model's version in `folder`; its siblings are importable until the block ends."""
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*.py"))}
    names = {path.parts[0].removesuffix(".py") for path in files}
    code = "".join(f"{name} {file_sha256(path)}" for name, path in files.items())
    before = _forget(names)
    sys.modules.update(_imported.get(code, {}))
    sys.path.insert(0, str(folder))
    try:
        yield import_module("pipeline")
    finally:
        sys.path.remove(str(folder))
        _imported[code] = _forget(names)
        sys.modules.update(before)


def _forget(names: set[str]) -> dict[str, ModuleType]:
    """Removes the loaded modules and packages `names`, with all in them, from what is imported; returns them."""
    loaded = [name for name in sys.modules if name.partition(".")[0] in names]
    return {name: sys.modules.pop(name) for name in loaded}


def served_answers(code: Path, artefacts: Path, engine: str, slice_tokens: int, queries: Sequence[str]) -> Answers:
    """Answers to `queries` by the model's code in `code` with the artefacts in `artefacts`, run by `engine`.

    Raises:
        ParityError: an answer is NaN or infinite.
    """
    with served_code(code) as pipeline:
        routing = _route(_load(pipeline, artefacts, engine, slice_tokens), queries)
    familiarity = None if np.isnan(routing.familiarity).any() else routing.familiarity
    return Answers(routing.embedding, routing.scores, routing.token_count, familiarity)


def batch_error(code: Path, artefacts: Path, engine: str, queries: Sequence[str]) -> float:
    """Largest difference of a score between each of `queries` alone and in one slice with the longest of them.

    Raises:
        ParityError: an answer is NaN or infinite.
    """
    longest = max(queries, key=len)
    with served_code(code) as pipeline:
        router = _load(pipeline, artefacts, engine, slice_tokens=sys.maxsize, threads=1)  # several would share the pair
        pairs = [(_route(router, [query]), _route(router, [query, longest])) for query in queries]
    return max(float(np.abs(alone.scores[0] - beside.scores[0]).max()) for alone, beside in pairs)


def _load(pipeline: ModuleType, artefacts: Path, engine: str, slice_tokens: int, threads: int = 0) -> Any:
    settings = pipeline.Settings(engine, slice_tokens, max_query_bytes=sys.maxsize, engine_threads=threads)
    return pipeline.Pipeline.load(artefacts, settings)


def _route(router: Any, queries: Sequence[str]) -> Any:
    try:
        return router.route(queries)
    except FloatingPointError as error:
        raise ParityError(str(error)) from None


def served_tokens(code: Path, artefacts: Path, queries: Sequence[str]) -> list[npt.NDArray[np.int32]]:
    """Token ids of each of `queries`, by the model's code in `code` with the tokenizer and limits in `artefacts`."""
    with served_code(code) as pipeline:
        router = json.loads((artefacts / pipeline.ROUTER_FILE).read_text(encoding="utf-8"))
        tokenization = pipeline.Tokenization.load(
            artefacts / pipeline.TOKENIZER_FILE, router["max_tokens"], router["truncation_side"]
        )
        return [row.ids for row in tokenization.encode(queries)]
