"""Triton's Python backend calls this: requests in, responses out. All else is in the modules beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils
from lifeline import Lifeline
from numpy_compatibility import accept_inputs, output
from pipeline import Pipeline, Routing
from queries import FIELD, QueryError, checksums, read_queries
from reference import Reference
from settings import Settings

NEIGHBOURS = "neighbours"  # the one output that is computed only for those who ask for it


class TritonPythonModel:
    """Model `routerdc`."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the engine and answers the reference queries, which also warms it up.

        An exception here keeps this version from becoming ready, and the version before it in use.

        With the engine `triton` they are not asked: no other Triton model can be called from here. `routerdc publish`
        asks them then.
        """
        self._lifeline = Lifeline()
        accept_inputs()
        self._settings = Settings.from_model_config(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        self._pipeline = Pipeline.load(folder, self._settings)
        if self._settings.engine != "triton":
            Reference.load(folder).check(lambda queries: self._pipeline.route(queries).scores)
        self._lifeline.loaded()

    def finalize(self) -> None:
        """Triton unloads the model."""
        self._lifeline.release()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One response a request, in order. A bad or cancelled request fails alone; the others are routed together.

        Whether a request was cancelled is asked of all if the first, which waited longest, was: each answer is a way to
        Triton's process and back. Those that were cancelled earlier Triton has not handed over.
        """
        responses: list[Any] = [None] * len(requests)
        some_cancelled = bool(requests) and requests[0].is_cancelled()
        texts: list[str] = []
        spans: dict[int, slice] = {}
        for i, request in enumerate(requests):
            try:
                queries = self._queries(request)
            except QueryError as error:
                responses[i] = _failed(str(error), pb_utils.TritonError.INVALID_ARG)
                continue
            if some_cancelled and request.is_cancelled():
                responses[i] = _failed("the caller cancelled the request", pb_utils.TritonError.CANCELLED)
                continue
            spans[i] = slice(len(texts), len(texts) + len(queries))
            texts.extend(queries)
        if texts:
            columns = _columns(self._pipeline.route(texts), checksums(texts), self._pipeline.bundle_id)
            for i, span in spans.items():
                names = requests[i].requested_output_names()
                tensors = [output(name, self._rows(name, columns, span)) for name in names]
                responses[i] = pb_utils.InferenceResponse(tensors)
        return responses

    def _rows(self, name: str, columns: dict[str, npt.NDArray[Any]], span: slice) -> npt.NDArray[Any]:
        """One output of one request."""
        if name != NEIGHBOURS:
            return columns[name][span]
        embedding, neighbours = columns["embedding"][span], self._pipeline.neighbours
        answers = np.full(len(embedding), b"[]", dtype=np.object_) if neighbours is None else neighbours(embedding)
        return answers[:, None]

    def _queries(self, request: Any) -> list[str]:
        tensor = pb_utils.get_input_tensor_by_name(request, FIELD)
        return read_queries(tensor.as_numpy(), self._settings.max_query_bytes)


def _columns(routing: Routing, crc32: npt.NDArray[np.uint32], bundle_id: str) -> dict[str, npt.NDArray[Any]]:
    """Every output for the whole batch, a row a query: made once, so that a request costs no more than its slices."""
    return {
        "choice": routing.choice[:, None],
        "scores": routing.scores,
        "token_count": routing.token_count[:, None],
        "truncated": routing.truncated[:, None],
        "embedding": routing.embedding,
        "familiarity": routing.familiarity[:, None],
        "query_crc32": crc32[:, None],
        "bundle_id": np.full((len(routing.choice), 1), bundle_id.encode(), dtype=np.object_),
    }


def _failed(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
