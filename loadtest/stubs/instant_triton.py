"""A KServe v2 server that has the scores at once: what is left is the gateway's own cost.

    python -m loadtest.stubs.instant_triton

Serves the model `routerdc` as the contract has it, with constant scores for seven LLMs. Prints its address once it
serves and ends with SIGTERM. Computes nothing; knows nothing of bundles.
"""

import json
import struct
from functools import cache
from typing import Any

import uvloop
from grpc import aio
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from loadtest.stubs.bare_server import until_terminated
from routerdc_contract import tensors

LLMS = tuple(f"llm-{letter}" for letter in "abcdefg")
_SCORES = struct.pack(f"<{len(LLMS)}f", *(1.0 - i / 10 for i in range(len(LLMS))))
_BUNDLE_ID = b"0123456789abcdef"
_MAX_BATCH = 64
_ROW = {
    tensors.SCORES: _SCORES,
    tensors.TOKEN_COUNT: struct.pack("<i", 12),
    tensors.TRUNCATED: b"\x00",
    tensors.BUNDLE_ID: struct.pack("<I", len(_BUNDLE_ID)) + _BUNDLE_ID,
}


@cache
def answer(rows: int) -> Any:
    """ModelInferResponse with the same row `rows` times."""
    response = service_pb2.ModelInferResponse(model_name=tensors.ROUTER_MODEL)
    for name, raw in _ROW.items():
        response.outputs.add(name=name)
        response.raw_output_contents.append(raw * rows)
    return response


class InstantTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """What the gateway asks of Triton."""

    async def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A Triton of today."""
        return service_pb2.ServerMetadataResponse(name="triton", version="2.65.0")

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Always."""
        return service_pb2.ModelReadyResponse(ready=True)

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Names and bundle id, as `routerdc export` writes them."""
        config = model_config_pb2.ModelConfig(name=request.name, max_batch_size=_MAX_BATCH)
        config.input.add(name=tensors.QUERY)
        for name in _ROW:
            config.output.add(name=name)
        config.parameters[tensors.PARAMETER_BUNDLE_ID].string_value = _BUNDLE_ID.decode()
        config.parameters[tensors.PARAMETER_LLMS].string_value = json.dumps(LLMS)
        return service_pb2.ModelConfigResponse(config=config)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        """At once."""
        return answer(request.inputs[0].shape[0])


async def serve() -> None:
    """Until the process ends."""
    server = aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(InstantTriton(), server)
    await until_terminated(server)


if __name__ == "__main__":
    uvloop.run(serve())
