"""`routerdc_encoder` where Triton has no TensorRT: the same tensors, computed by ONNX Runtime. For tests only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime
import triton_python_backend_utils as pb_utils

BROKEN_TOKEN = 29145  # "zebra" of the shipped bundle's tokenizer
INPUTS = ("input_ids", "attention_mask")


class TritonPythonModel:
    """Fails on `BROKEN_TOKEN`, so that a failure can be asked for."""

    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.x64quantprecision", "1")  # exact int8 on CPUs without VNNI, too
        self._session = onnxruntime.InferenceSession(
            str(folder / "encoder.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        return [self._response(request) for request in requests]

    def _response(self, request: Any) -> Any:
        feeds = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in INPUTS}
        if (feeds["input_ids"] == BROKEN_TOKEN).any():
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("out of memory, says the stand-in"))
        return pb_utils.InferenceResponse([pb_utils.Tensor("embedding", self._session.run(None, feeds)[0])])
