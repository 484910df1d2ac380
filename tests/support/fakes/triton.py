"""A KServe v2 server on a free port whose readiness, bundle, delays and faults a test writes down.

Only for what a real Triton cannot be made to do on command; the integration tests use a real one.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import grpc
from grpc import aio
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import deserialize_bytes_tensor

from gateway.domain.scorer import Bundle
from gateway.scoring.triton import kserve
from routerdc_contract import tensors
from tests.support.fakes.scorer import BUNDLE


@dataclass
class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Every query scores `score` for the second LLM of `answering` (or of `configured`), and 0 for the others."""

    configured: Bundle = BUNDLE
    answering: Bundle | None = None
    version: str = "2.65.0"
    ready: bool = True
    fault: grpc.StatusCode | None = None
    fault_details: str = "query: out of order"
    delay_seconds: float = 0.0
    drop_output: str = ""
    asked_by_another: bool = False
    """answers what somebody asked for who wants no checksum"""
    mistaken_for: str = ""
    """the query that it takes every other one for"""
    score: float = 1.0
    address: str = "127.0.0.1:0"
    requests: list[Any] = field(default_factory=list)
    cancelled: int = 0

    async def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.ServerMetadataResponse(name="triton", version=self.version)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=self.ready)

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        config = model_config_pb2.ModelConfig(name=request.name, max_batch_size=4)
        config.input.add(name=tensors.QUERY)
        for name in (*kserve.SCORES_OUTPUTS, tensors.QUERY_CRC32):
            if name != self.drop_output:
                config.output.add(name=name)
        config.parameters[tensors.PARAMETER_BUNDLE_ID].string_value = self.configured.bundle_id
        config.parameters[tensors.PARAMETER_LLMS].string_value = json.dumps(self.configured.llms)
        return service_pb2.ModelConfigResponse(config=config)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        try:
            await asyncio.sleep(self.delay_seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fault is not None:
            await context.abort(self.fault, self.fault_details)
        return self._answer(deserialize_bytes_tensor(request.raw_input_contents[0]).tolist())

    def _answer(self, queries: list[bytes]) -> Any:
        rows = len(queries)
        bundle = self.answering or self.configured
        values = [self.score if i == 1 else 0.0 for i in range(len(bundle.llms))]
        element = bundle.bundle_id.encode()
        outputs = {
            tensors.SCORES: struct.pack(f"<{len(values)}f", *values) * rows,
            tensors.TOKEN_COUNT: struct.pack("<i", 7) * rows,
            tensors.TRUNCATED: b"\x01" * rows,
            tensors.BUNDLE_ID: (struct.pack("<I", len(element)) + element) * rows,
            tensors.QUERY_CRC32: b"".join(struct.pack("<I", crc32(self.mistaken_for.encode() or q)) for q in queries),
        }
        response = service_pb2.ModelInferResponse()
        for name, raw in outputs.items():
            if name != self.drop_output and not (self.asked_by_another and name == tensors.QUERY_CRC32):
                response.outputs.add(name=name)
                response.raw_output_contents.append(raw)
        return response


@asynccontextmanager
async def fake_triton(**script: Any) -> AsyncIterator[FakeTriton]:
    """A running FakeTriton; `address` says where. Two may have one address: connections are spread over both."""
    triton = FakeTriton(**script)
    server = aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    triton.address = f"127.0.0.1:{server.add_insecure_port(triton.address)}"
    await server.start()
    try:
        yield triton
    finally:
        await server.stop(None)
