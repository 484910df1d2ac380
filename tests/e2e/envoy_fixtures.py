"""The data plane without Triton: demo endpoints and a gateway with a scripted scorer in this process, a real Envoy.

async with data_plane(folder) as plane:
    await plane.client.chat.completions.create(model="auto", …)
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import openai
import yaml
from aiohttp import web
from click.testing import CliRunner
from envoy.service.ext_proc.v3 import external_processor_pb2
from grpc import aio
from grpc_health.v1 import health_pb2

from deploy.local.demo.endpoints import Behaviour, DemoEndpoint
from deploy.local.envoy import Envoy
from gateway.config import endpoints_file as endpoints
from gateway.config.groups import Deadlines, Limits, OpenAi
from gateway.envoy_config.command import envoy_config
from gateway.grpc_api.health import HealthService
from gateway.grpc_api.intake import registration
from gateway.grpc_api.intake.guard import Intake
from gateway.limits.query_budget import QueryBudget
from gateway.openai.bodies.reader import Reader
from gateway.openai.routing import Routing
from gateway.openai.servicer import ExternalProcessor
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.tracing import Tracing
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.support.waiting import until

MIB = 2**20


@dataclass(frozen=True)
class Received:
    """One request as an endpoint got it."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str


@dataclass
class RecordingEndpoint:
    """A demo endpoint that remembers what came, and which answers were not taken to their end."""

    demo: DemoEndpoint
    port: int = 0
    received: list[Received] = field(default_factory=list)
    answered: int = 0
    abandoned: int = 0
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None  # set: in the demo's place

    def behave(self, **behaviour: Any) -> None:
        self.demo.behaviour = Behaviour(**({"chunk_delay_ms": 0} | behaviour))

    async def start(self, stack: AsyncExitStack, tls: ssl.SSLContext | None) -> None:
        application = self.demo.application()
        application.middlewares.append(self._record)
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.port = runner.addresses[0][1]

    @web.middleware
    async def _record(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.received.append(Received(request.path, dict(request.headers), await request.read(), request.query_string))
        try:
            response: web.StreamResponse = await (self.answer or handler)(request)
        except web.HTTPNotFound:  # a path that the demo does not know fails as it is told to, too
            return web.Response(status=self.demo.behaviour.status if self.demo.behaviour.status != 200 else 404)
        except BaseException:
            self.abandoned += 1
            raise
        self.answered += 1
        if not response.prepared:  # a stream's headers are out already
            response.headers["x-request-id"] = f"req-of-{self.demo.name}"
        return response


@dataclass
class Plane:
    """What a test needs."""

    client: openai.AsyncOpenAI
    envoy: Envoy
    scorer: FakeScorer
    llms: dict[str, RecordingEndpoint]
    metrics: Metrics
    gateway: aio.Server
    access_log: Path

    def reset(self) -> None:
        """Well-behaved endpoints that remember nothing."""
        self.scorer.values.clear()
        self.scorer.faults.clear()
        self.scorer.delays_seconds.clear()
        self.scorer.batches.clear()
        for llm in self.llms.values():
            llm.received.clear()
            llm.answered = llm.abandoned = 0
            llm.behave()

    def prefer(self, query: str, *order: str) -> None:
        """From now on the scorer ranks the LLMs like this for `query`."""
        self.scorer.values[query] = tuple(-float(order.index(llm)) for llm in BUNDLE.llms)


@asynccontextmanager
async def data_plane(
    folder: Path,
    *,
    llms: Mapping[str, Mapping[str, Any]] | None = None,
    of_llms: Mapping[str, Mapping[str, Any]] | None = None,
    beside: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    tls: Mapping[str, ssl.SSLContext] | None = None,
    openai_limits: OpenAi | None = None,
    gateway_tls: grpc.ServerCredentials | None = None,
    tracing: Tracing | None = None,
    alter: Callable[[dict[str, Any]], None] = lambda config: None,
    threads: int = 2,
    **file: Any,
) -> AsyncIterator[Plane]:
    """Everything running, on ports that the system chooses.

    Args:
        folder: for configuration and logs.
        llms: fields of an LLM's endpoint in endpoints.yaml, over the default ones; "{port}" is its port.
        of_llms: more fields of an LLM.
        beside: further endpoints of an LLM.
        flags: of `routerdc envoy-config`.
        environment: Envoy's.
        tls: of an LLM's endpoint.
        openai_limits: what the gateway lets a request ask for.
        gateway_tls: the gateway speaks TLS, as localhost.
        tracing: the gateway's.
        alter: changes Envoy's configuration into one that is not ours.
        threads: Envoy's.
        file: more of endpoints.yaml.
    """
    async with AsyncExitStack() as stack:
        recording = {name: RecordingEndpoint(DemoEndpoint(name)) for name in BUNDLE.llms}
        for name, llm in recording.items():
            await llm.start(stack, (tls or {}).get(name))
            llm.behave()
        endpoints_file = folder / "endpoints.yaml"
        content = _endpoints(recording, llms or {}, of_llms or {}, file)
        for name, more in (beside or {}).items():
            content["llms"][name]["endpoints"] += map(dict, more)
        endpoints_file.write_text(yaml.safe_dump(content), encoding="utf-8")
        scorer, metrics = FakeScorer(), Metrics()
        observers = [tracing] if tracing else []
        pool = PoolRef(Pool(endpoints.read(endpoints_file)))
        router = Router(pool, scorer, QueryBudget(100, 0.05), observers)
        reader = await stack.enter_async_context(Reader())
        deadlines = Deadlines(deadline_ms=5000)
        routing = Routing(router, metrics, openai_limits or OpenAi(), Limits(), deadlines, reader=reader)
        server, port = await start_gateway(stack, routing, gateway_tls, tracing)
        config, access_log = folder / "envoy.yaml", folder / "access.log"
        command = ["--endpoints", endpoints_file, "--out", config, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        command += ["--gateway", f"localhost:{port}", "--access-log", access_log, *flags]
        result = CliRunner().invoke(envoy_config, [str(argument) for argument in command])
        assert result.exit_code == 0, result.output
        altered = yaml.safe_load(config.read_text(encoding="utf-8"))
        alter(altered)
        config.write_text(yaml.safe_dump(altered), encoding="utf-8")
        envoy = Envoy(config, log=folder / "envoy.log", threads=threads, environment=environment)
        stack.callback(envoy.stop)
        await asyncio.to_thread(envoy.start)  # this process goes on answering Envoy's health checks meanwhile
        client = openai.AsyncOpenAI(base_url=envoy.base_url, api_key="the-callers-own", max_retries=0, timeout=30)
        await stack.enter_async_context(client)
        await until(lambda: _serves(client))
        yield Plane(client, envoy, scorer, recording, metrics, server, access_log)


@asynccontextmanager
async def maybe_orphaned(param: str, folder: Path, *, flags: Sequence[str] = ()) -> AsyncIterator[Plane]:
    """A data plane with all three LLMs as defaults and its gateway, or, if `param` is "orphaned", one whose gateway
    has gone."""
    async with data_plane(folder, flags=flags, default=["alpha", "beta", "gamma"]) as plane:
        if param == "orphaned":
            await plane.gateway.stop(None)
        yield plane


async def start_gateway(
    stack: AsyncExitStack, routing: Routing, tls: grpc.ServerCredentials | None = None, tracing: Tracing | None = None
) -> tuple[aio.Server, int]:
    """A gateway's door for Envoy, and its port."""
    interceptors = [tracing.server_interceptor] if tracing else []
    server = aio.server(options=[("grpc.max_receive_message_length", 16 * MIB)], interceptors=interceptors)
    processor = ExternalProcessor(routing, tracing.requested if tracing else None)
    registration.add(external_processor_pb2.DESCRIPTOR.services_by_name["ExternalProcessor"], processor, server)
    health = HealthService()
    health.set(("live",), health_pb2.HealthCheckResponse.SERVING)
    health.add_to(server, Intake(lambda: 0))
    port = server.add_secure_port("127.0.0.1:0", tls) if tls else server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stack.push_async_callback(server.stop, None)
    return server, port


def _endpoints(
    recording: Mapping[str, RecordingEndpoint],
    changes: Mapping[str, Mapping[str, Any]],
    of_llms: Mapping[str, Mapping[str, Any]],
    file: Mapping[str, Any],
) -> dict[str, Any]:
    llms = {}
    for name, llm in recording.items():
        endpoint = {"address": "http://127.0.0.1:{port}/v1", "model": f"{name}/model"} | dict(changes.get(name, {}))
        endpoint |= {"address": endpoint["address"].format(port=llm.port)}
        llms[name] = {"endpoints": [endpoint]} | dict(of_llms.get(name, {}))
    return {"default": ["gamma", "alpha"], "llms": llms} | dict(file)


async def _serves(client: openai.AsyncOpenAI) -> bool:
    try:
        await client.models.list()
    except openai.InternalServerError:
        return False
    return True
