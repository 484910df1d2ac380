"""The service over a real grpc.aio server: large messages, callers that leave, defects."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc
from grpc import aio

from gateway.config.api_keys_file import ApiKeysFile
from gateway.limits.caller import Callers
from gateway.openai.auth import Senders
from gateway.openai.routing import Routing
from gateway.openai.servicer import FAIL_OPEN, FAILURE_MODE_KEY, ExternalProcessor
from routerdc_contract.services import EXTERNAL_PROCESSOR
from tests.support.fakes.scorer import FakeScorer
from tests.support.waiting import until
from tests.unit.gateway.openai.conftest import MakeRouting
from tests.unit.gateway.openai.test_exchange import BODY, ROUTED, body, headers

Serve = Callable[[Routing], Awaitable["external_processor_pb2_grpc.ExternalProcessorStub"]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    server, channels = aio.server(), []

    async def start(routing: Routing) -> "external_processor_pb2_grpc.ExternalProcessorStub":
        external_processor_pb2_grpc.add_ExternalProcessorServicer_to_server(ExternalProcessor(routing), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        channels.append(aio.insecure_channel(f"127.0.0.1:{port}"))
        return external_processor_pb2_grpc.ExternalProcessorStub(channels[-1])

    yield start
    for channel in channels:
        await channel.close()
    await server.stop(None)


async def test_stream_is_answered_message_by_message(serve: Serve, routing: Routing) -> None:
    call = (await serve(routing)).Process()
    await call.write(headers())
    assert (await call.read()).HasField("request_headers")
    await call.write(body(BODY))
    assert (await call.read()).request_body.response.body_mutation.body == ROUTED
    await call.done_writing()
    assert await call.read() is aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_caller_that_leaves_cancels_the_scoring(serve: Serve, routing: Routing, scorer: FakeScorer) -> None:
    scorer.delays_seconds["hi"] = 30
    call = (await serve(routing)).Process()
    await call.write(headers())
    await call.read()
    await call.write(body(BODY))
    await until(lambda: scorer.batches)
    call.cancel()
    await until(lambda: scorer.cancelled == ["hi"])
    assert call.cancelled()


async def test_defect_ends_the_stream_and_logs_no_prompt(
    serve: Serve, routing: Routing, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(routing, "route", broken)
    call = (await serve(routing)).Process()
    await call.write(headers())
    await call.read()
    await call.write(body(json.dumps({"model": "auto", "messages": ["my secret prompt"]}).encode()))
    with pytest.raises(aio.AioRpcError):
        await call.read()
    assert await call.code() is grpc.StatusCode.INTERNAL
    assert "my secret prompt" not in "".join(capsys.readouterr())


async def test_lack_of_memory_ends_the_stream_so_that_envoy_goes_on_alone(
    serve: Serve, make_routing: MakeRouting
) -> None:
    call = (await serve(make_routing(max_held_body_bytes=10))).Process()
    await call.write(headers())
    await call.read()
    await call.write(body(BODY))
    with pytest.raises(aio.AioRpcError):
        await call.read()
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_service_has_envoys_name() -> None:
    assert EXTERNAL_PROCESSOR == "envoy.service.ext_proc.v3.ExternalProcessor"
    assert pb.ProcessingRequest.DESCRIPTOR.full_name == "envoy.service.ext_proc.v3.ProcessingRequest"


@pytest.mark.parametrize(("mode", "refused"), [("open", True), ("closed", False), (None, False)])
async def test_envoy_that_would_do_without_api_keys_is_refused_while_somebody_sees_it(
    serve: Serve, routing: Routing, mode: str | None, refused: bool
) -> None:
    key = {"name": "team", "sha256": hashlib.sha256(b"sk-team").hexdigest()}
    routing.senders = Senders(Callers(ApiKeysFile.model_validate({"keys": [key]})))
    metadata = () if mode is None else ((FAILURE_MODE_KEY, mode),)
    call = (await serve(routing)).Process(metadata=metadata)
    await call.write(headers(authorization="Bearer sk-team"))
    answer = await call.read()
    if refused:
        assert answer.immediate_response.status.code == 503
        assert b"--fail-closed" in answer.immediate_response.body
    else:
        assert answer.HasField("request_headers")
    await call.done_writing()


async def test_envoy_that_fails_open_is_served_where_no_keys_are_needed(serve: Serve, routing: Routing) -> None:
    call = (await serve(routing)).Process(metadata=((FAILURE_MODE_KEY, FAIL_OPEN),))
    await call.write(headers())
    assert (await call.read()).HasField("request_headers")
    await call.done_writing()
