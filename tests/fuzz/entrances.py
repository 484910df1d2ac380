"""The entrances, each as a function that takes bytes and raises where something is wrong with *us*.

What an entrance answers to a caller's mistake (its documented error) is no failure. `strategy` makes bytes that come
close to what is expected; coverage-guided fuzzing starts from those and goes its own ways.
"""

import asyncio
import atexit
import gzip
import tempfile
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import yaml
from aiohttp import web
from backports import zstd
from google.protobuf.message import DecodeError
from grpc import aio
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from gateway.config import api_keys_file
from gateway.config import endpoints_file as endpoints
from gateway.config.groups import OpenAi
from gateway.config.settings import Settings
from gateway.envoy_config.bootstrap import render
from gateway.envoy_config.parts.options import Options
from gateway.errors import BudgetExceededError, CallersError, EndpointsError, UnauthenticatedError
from gateway.grpc_api.intake import registration
from gateway.grpc_api.servicer import RouterServicer
from gateway.http_api.application import HttpApi
from gateway.limits.budget import Budget
from gateway.limits.caller import Callers
from gateway.limits.query_budget import QueryBudget
from gateway.openai.apis import APIS
from gateway.openai.bodies.reader import Reader
from gateway.openai.exchange import Exchange
from gateway.openai.routing import Routing
from gateway.pool.clusters import attempts, first_of_each, same_model
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from gateway.scoring.nearest import Nearest
from gateway.scoring.triton import kserve
from gateway.telemetry.metrics import Metrics
from routerdc.data.formats.rows import DataError
from routerdc.data.loading import load
from routerdc_contract.bundle import BundleError, Manifest
from routerdc_contract.v1 import router_pb2 as pb
from tests.fuzz import shapes
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.support.gateways.running import endpoints_file

OUR_FAULT = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED, grpc.StatusCode.DATA_LOSS}
HANGS_AFTER_SECONDS = 10.0
SETTINGS = Settings().changed(
    deadline_ms=5000, batch_deadline_ms=5000, max_query_bytes=100_000, max_batch_queries=64, max_stream_in_flight=4
)


@dataclass(frozen=True)
class Entrance:
    """One way in."""

    name: str
    check: Callable[[bytes], None]
    strategy: st.SearchStrategy[bytes]


class OurFaultError(AssertionError):
    """Something that is no mistake of the caller's."""


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    atexit.register(loop.call_soon_threadsafe, loop.stop)
    return loop


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """On a loop of its own, in a thread, so that synchronous fuzzers can drive it."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result(HANGS_AFTER_SECONDS)


@cache
def _router(_of: str) -> Router:
    """One each, for what the reports of one eject the others would miss."""
    calibrated = replace(BUNDLE, calibration=((4.0, 0.0),) * len(BUNDLE.llms))
    return Router(PoolRef(Pool(endpoints_file())), FakeScorer(bundle=calibrated), QueryBudget(10_000, 0.05))


@cache
def _channel() -> aio.Channel:
    async def serve() -> aio.Channel:
        server = aio.server()
        service = pb.DESCRIPTOR.services_by_name["Router"]
        registration.add(
            service, RouterServicer(_router("gRPC"), Metrics(), SETTINGS.limits, SETTINGS.deadlines), server
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        _servers.append(server)
        return aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_retries", 0)])

    channel: aio.Channel = _run(serve())
    return channel


_servers: list[Any] = []


def call(method: str, kind: Any, data: bytes) -> None:
    """Sends `data` as the message of a unary method. What is not even protobuf gRPC itself answers, with INTERNAL."""

    send: Any = _channel().unary_unary(f"/routerdc.v1.Router/{method}")

    async def ask() -> grpc.StatusCode:
        try:
            await send(data, timeout=HANGS_AFTER_SECONDS)
        except aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    code = _run(ask())
    if code in OUR_FAULT | {grpc.StatusCode.DEADLINE_EXCEEDED} and _is_protobuf(kind, data):
        raise OurFaultError(f"{method}: {code}")


def _is_protobuf(kind: Any, data: bytes) -> bool:
    try:
        kind.FromString(data)
    except DecodeError:
        return False
    return True


def stream(data: bytes) -> None:
    """Messages of one RouteStream, cut from `data`; every one is answered, or the stream ends with a clean status."""
    requests = [piece for piece in shapes.pieces(data) if _is_protobuf(pb.RouteRequest, piece)]

    channel = _channel()

    async def ask() -> grpc.StatusCode:
        async def send() -> Any:
            for piece in requests:
                yield piece

        method: Any = channel.stream_stream("/routerdc.v1.Router/RouteStream")
        running = method(send(), timeout=HANGS_AFTER_SECONDS)
        answers = [answer async for answer in running]
        if len(answers) != len(requests):
            raise OurFaultError(f"{len(answers)} answers to {len(requests)} requests")
        code: grpc.StatusCode = await running.code()
        return code

    if (code := _run(ask())) is not grpc.StatusCode.OK:
        raise OurFaultError(f"RouteStream: {code}")


def http(data: bytes) -> None:
    """A body to every path of the HTTP API: answered in JSON with a status below 500."""
    address = _http_address()

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            for path in shapes.HTTP_PATHS:
                async with session.post(f"{address}{path}", data=data) as answer:
                    if answer.status >= 500:
                        raise OurFaultError(f"{path}: {answer.status}: {await answer.text()}")
                    await answer.json()

    _run(ask())


@cache
def _http_address() -> str:
    async def near(query: str) -> None:
        return None

    async def serve() -> str:
        api = HttpApi(_router("HTTP"), Metrics(), SETTINGS.limits, SETTINGS.deadlines, None, Nearest(near))
        runner = web.AppRunner(api.application(), access_log=None, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _servers.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    address: str = _run(serve())
    return address


def exchange(data: bytes) -> None:
    """Messages of Envoy's in any order, twice over: they are answered, and no body stays in memory."""
    memory = Budget(1_000_000, "bytes")
    openai = OpenAi(max_body_bytes=200_000)
    routing = Routing(_router("Envoy"), Metrics(), openai, SETTINGS.limits, SETTINGS.deadlines)

    async def talk() -> None:
        one = Exchange(routing, memory)
        for message in shapes.envoy_messages(data):
            for answer in await one.answer(message):
                answer.SerializeToString()
        one.close()

    with suppress(BudgetExceededError):
        _run(talk())
    if memory.held:
        raise OurFaultError(f"{memory.held} bytes are held for ever")


def body(data: bytes) -> None:
    """A request's body, to every API and in every coding: routed or answered with a status below 500."""
    coded = [("", data), ("gzip", gzip.compress(data, 1)), ("zstd", zstd.compress(data)), ("zstd", data)]
    for path, (coding, sent) in product(APIS, coded):
        routing = Routing(
            _router("Envoy"), Metrics(), SETTINGS.openai, SETTINGS.limits, SETTINGS.deadlines, reader=_reader()
        )
        one = Exchange(routing, Budget(10**8, "bytes"))
        for message in shapes.whole_request(path, sent, coding):
            for answer in _run(one.answer(message)):
                status = answer.immediate_response.status.code
                if status >= 500:
                    raise OurFaultError(f"{path}: {status}: {answer.immediate_response.body!r}")


@cache
def _reader() -> Reader:
    """One for all, because it has a process."""
    return Reader()


def triton_answer(data: bytes) -> None:
    """What a Triton might answer: read, or refused with ValueError."""
    response = service_pb2.ModelInferResponse()
    with suppress(DecodeError, ValueError):
        response.ParseFromString(data)
        kserve.rows(response, ["q"] * (1 + len(data) % 3))


def manifest(data: bytes) -> None:
    """A bundle's manifest.json: read, or refused with BundleError."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "manifest.json").write_bytes(data)
        with suppress(BundleError):
            Manifest.read(folder)


def endpoints_yaml(data: bytes) -> None:
    """endpoints.yaml: refused with EndpointsError, or good for everything that is made of it."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        Path(file.name).write_bytes(data)
        try:
            content = endpoints.read(Path(file.name))
        except EndpointsError:
            return
    pool = Pool(content)
    for name, llm in first_of_each(content.llms, tuple(content.llms)):
        attempts(content.llms, [(name, llm)])
        same_model(content.llms[name], llm)
        pb.Endpoint(address=llm.address, model=llm.model)
        pb.Llm(name=name, price=content.llms[name].price)
    assert pool.names
    with suppress(EndpointsError):
        yaml.safe_dump(render(content, Options()))


def api_keys(data: bytes) -> None:
    """The file with API keys: refused with CallersError, which quotes nothing of it."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        Path(file.name).write_bytes(data)
        with suppress(CallersError, UnauthenticatedError):
            Callers(api_keys_file.read(Path(file.name))).identify("Bearer x")


def data_file(data: bytes) -> None:
    """Scored queries in every text format: read, or refused with DataError."""
    with tempfile.TemporaryDirectory() as name:
        for suffix in ("json", "jsonl", "csv"):
            path = Path(name) / f"rows.{suffix}"
            path.write_bytes(data)
            with suppress(DataError):
                load(path, skip_bad_rows=bool(len(data) % 2))


ENTRANCES = [
    Entrance("gRPC Route", lambda data: call("Route", pb.RouteRequest, data), shapes.route_requests),
    Entrance("gRPC RouteBatch", lambda data: call("RouteBatch", pb.RouteBatchRequest, data), shapes.batches),
    Entrance("gRPC RouteStream", stream, shapes.streams),
    Entrance("gRPC ReportOutcome", lambda data: call("ReportOutcome", pb.ReportOutcomeRequest, data), shapes.reports),
    Entrance("HTTP API", http, shapes.http_bodies),
    Entrance("OpenAI bodies", body, shapes.bodies),
    Entrance("ext_proc message order", exchange, shapes.exchanges),
    Entrance("Triton's answers", triton_answer, shapes.triton_answers),
    Entrance("bundle manifest", manifest, shapes.manifests),
    Entrance("endpoints.yaml", endpoints_yaml, shapes.endpoint_files),
    Entrance("API keys file", api_keys, shapes.key_files),
    Entrance("data files", data_file, shapes.data_files),
]
