"""`execute` with stand-ins for Triton's objects: which request fails, and what Triton's process is asked."""

import json
import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pipeline import Routing


class Request:
    """One query, as Triton hands it over."""

    def __init__(self, query: bytes, *, cancelled: bool = False, wanted: str = "choice") -> None:
        self.query = query
        self._wanted = wanted
        self.asked = 0
        self._cancelled = cancelled

    def is_cancelled(self) -> bool:
        self.asked += 1
        return self._cancelled

    def requested_output_names(self) -> list[str]:
        return [self._wanted]


class FakePipeline:
    """Chooses by the length of the text; notes what it was asked."""

    bundle_id = "b"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.neighbours: Any = None

    def route(self, texts: Sequence[str]) -> Routing:
        self.texts += texts
        choice = np.array([len(text) for text in texts], np.int32)
        zeros = np.zeros((len(texts), 1), np.float32)
        return Routing(choice, zeros, choice, np.zeros(len(texts), bool), zeros, zeros[:, 0])


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loaded, with a `FakePipeline`."""
    fake: Any = ModuleType("triton_python_backend_utils")
    fake.TritonError = lambda message, code: SimpleNamespace(message=message, code=code)
    fake.TritonError.INVALID_ARG, fake.TritonError.CANCELLED = "INVALID_ARG", "CANCELLED"
    fake.Tensor = lambda name, values: values
    fake.InferenceResponse = lambda tensors=None, error=None: SimpleNamespace(tensors=tensors, error=error)
    fake.get_input_tensor_by_name = lambda request, _: SimpleNamespace(
        as_numpy=lambda: np.array([[request.query]], dtype=np.object_)
    )
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", fake)
    monkeypatch.delitem(sys.modules, "model", raising=False)
    from model import TritonPythonModel
    from settings import Settings

    loaded = TritonPythonModel()
    loaded._pipeline = FakePipeline()  # type: ignore[assignment]
    parameters = {"engine": "onnxruntime", "slice_tokens": "1", "max_query_bytes": "9", "engine_threads": "0"}
    values = {name: {"string_value": value} for name, value in (parameters | {"width_multiple": "1"}).items()}
    loaded._settings = Settings.from_model_config(json.dumps({"parameters": values}))
    yield loaded
    sys.modules.pop("model", None)


def test_a_bad_request_fails_alone(model: Any) -> None:
    responses = model.execute([Request(b"one"), Request(b"\xff"), Request(b"three")])
    assert [response.error and response.error.code for response in responses] == [None, "INVALID_ARG", None]
    assert [response.tensors[0].tolist() for response in (responses[0], responses[2])] == [[[3]], [[5]]]


def test_one_question_whether_it_was_cancelled_is_enough_for_a_batch_that_was_not(model: Any) -> None:
    requests = [Request(b"query") for _ in range(8)]
    assert not any(response.error for response in model.execute(requests))
    assert sum(request.asked for request in requests) == 1


def test_after_a_cancelled_one_every_request_is_asked_and_the_others_are_answered(model: Any) -> None:
    requests = [Request(b"first", cancelled=True), Request(b"second"), Request(b"third", cancelled=True)]
    responses = model.execute(requests)
    assert [response.error and response.error.code for response in responses] == ["CANCELLED", None, "CANCELLED"]
    assert model._pipeline.texts == ["second"]


def test_neighbours_are_computed_for_those_alone_who_ask_for_them(model: Any) -> None:
    looked_up: list[int] = []

    def neighbours(embedding: Any) -> Any:
        looked_up.append(len(embedding))
        return np.array([b"[1]"] * len(embedding), np.object_)

    requests = [Request(b"one"), Request(b"two", wanted="neighbours")]
    assert model.execute(requests)[1].tensors[0].tolist() == [[b"[]"]]  # the bundle has none
    model._pipeline.neighbours = neighbours
    assert [response.tensors[0].tolist() for response in model.execute(requests)] == [[[3]], [[b"[1]"]]]
    assert looked_up == [1]
