"""The whole gateway serves Envoy on a port of its own, where that is open."""

import hashlib
import json
from pathlib import Path

import yaml
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc
from grpc import aio

from gateway.app.server import serving
from gateway.config import settings
from tests.support.fakes.triton import fake_triton
from tests.unit.gateway.conftest import endpoints_file
from tests.unit.gateway.openai.test_exchange import body, headers

PORTS = {"port": 0, "metrics_port": 0, "ext_proc_port": 0}
MIB = 2**20
RECEIVE_16_MIB = ("grpc.max_receive_message_length", 16 * MIB)


async def test_body_of_8_mib_is_routed_and_a_larger_one_refused(tmp_path: Path) -> None:
    endpoints = tmp_path / "endpoints.yaml"
    endpoints.write_text(yaml.safe_dump(json.loads(endpoints_file().model_dump_json())), encoding="utf-8")
    async with fake_triton() as triton:
        flags = PORTS | {"triton_address": triton.address, "endpoints_file": endpoints}
        async with (
            serving(settings.load(None, flags | {"deadline_ms": 5000})) as ports,
            aio.insecure_channel(f"127.0.0.1:{ports.ext_proc}", [RECEIVE_16_MIB]) as channel,
        ):
            stub = external_processor_pb2_grpc.ExternalProcessorStub(channel)
            routed = await one(stub, 8 * MIB)
            assert routed.dynamic_metadata["routerdc"]["llm"] == "beta"
            assert len(routed.request_body.response.body_mutation.body) == 8 * MIB + len("beta-model") - len("auto")
            assert (await one(stub, 8 * MIB + 1)).immediate_response.status.code == 413


async def test_keys_are_those_of_http_requests_not_envoys(tmp_path: Path) -> None:
    endpoints, keys = tmp_path / "endpoints.yaml", tmp_path / "keys.yaml"
    endpoints.write_text(yaml.safe_dump(json.loads(endpoints_file().model_dump_json())), encoding="utf-8")
    key = {"name": "team", "sha256": hashlib.sha256(b"sk-team").hexdigest()}
    keys.write_text(yaml.safe_dump({"keys": [key]}), encoding="utf-8")
    async with fake_triton() as triton:
        flags = PORTS | {"triton_address": triton.address, "endpoints_file": endpoints}
        async with (
            serving(settings.load(None, flags | {"api_keys_file": keys})) as ports,
            aio.insecure_channel(f"127.0.0.1:{ports.ext_proc}") as channel,
        ):
            stub = external_processor_pb2_grpc.ExternalProcessorStub(channel)
            for authorization, answered in (("Bearer sk-team", "request_headers"), ("none", "immediate_response")):
                call = stub.Process()
                await call.write(headers(authorization=authorization))
                assert (await call.read()).WhichOneof("response") == answered
                await call.done_writing()


async def one(stub: "external_processor_pb2_grpc.ExternalProcessorStub", size: int) -> pb.ProcessingResponse:
    head, tail = b'{"model": "auto", "messages": [{"role": "user", "content": "hi"}], "user": "', b'"}'
    call = stub.Process()
    await call.write(headers())
    await call.read()
    await call.write(body(head + b"x" * (size - len(head) - len(tail)) + tail))
    response: pb.ProcessingResponse = await call.read()
    await call.done_writing()
    return response
