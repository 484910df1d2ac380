"""The console's HTTP server: the page, and the few questions that it asks.

A browser lets any site send requests to 127.0.0.1, so a request must name this server as its host, or its address, and
none may come from another site's page.
"""

import asyncio
import hashlib
import ipaddress
import json
import time
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import grpc
from aiohttp import web

from console import decisions
from console.explaining import Explainer, ExplainError, Neighbours
from console.last_decisions import last_decisions
from console.live import Reading, figures, reading
from routerdc_client import AsyncRouterClient, RouteError, route_request
from routerdc_contract.v1 import router_pb2 as pb

PAGE = Path(__file__).with_name("page")
FILES = {"/": "index.html", "/console.css": "console.css", "/console.js": "console.js"}
ALL_CANDIDATES = 1000
MAX_BODY_BYTES = 2**20
ROUTE_DEADLINE_MS = 5000.0
METRICS_TIMEOUT_SECONDS = 2.0
WINDOW_SECONDS = 10.0
LEAST_SECONDS = 0.25
"""between two readings of the metrics, however many pages ask: they are kept for the window"""
OPTIONS = {"query", "messages", "cost_weight"}
POLICY = "default-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
}


class Console:
    """Answers the page's questions."""

    def __init__(
        self,
        router: AsyncRouterClient,
        metrics_url: str,
        hosts: frozenset[str],
        decision_log: Path | None = None,
        explainer: Explainer | None = None,
    ) -> None:
        """Keeps the last readings of the metrics, and no query.

        Args:
            router: asks the gateway.
            metrics_url: where the gateway's metrics are.
            hosts: names (without port) by which a browser may call this server, beside addresses.
            decision_log: the gateway's, if it writes one on this machine.
            explainer: asks for decisions in place of `router`, where the gateway's HTTP API is known.
        """
        self._router = router
        self._metrics_url = metrics_url
        self._hosts = hosts
        self._decision_log = decision_log
        self._explainer = explainer
        self._readings: deque[Reading] = deque()
        self._one_reads = asyncio.Lock()

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._guard])
        for path in FILES:
            application.router.add_get(path, self._file)
        application.router.add_get("/api/pool", self._pool)
        application.router.add_get("/api/live", self._live)
        application.router.add_get("/api/decisions", self._decisions)
        application.router.add_post("/api/route", self._route)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse
        try:
            self._check(request)
            response = await handler(request)
        except RouteError as error:
            response = _error(STATUS.get(error.code, 502), error.message)
        except ExplainError as error:
            response = _error(error.status, str(error))
        except web.HTTPException as error:
            response = _error(error.status, error.text or error.reason)
        response.headers.update(HEADERS)
        return response

    def _check(self, request: web.Request) -> None:
        host = _host_name(request.host)
        if host not in self._hosts and not _is_address(host):  # a name of anybody's may lead here, an address not
            raise web.HTTPForbidden(text="the console is called by another name than its own: use --allow-host")
        origin = request.headers.get("Origin")
        elsewhere = request.headers.get("Sec-Fetch-Site") == "cross-site"  # a page's GET says no origin
        opened = request.path in FILES
        if (origin is not None and urlsplit(origin).netloc != request.host) or (elsewhere and not opened):
            raise web.HTTPForbidden(text="only the console's own page may ask")
        if request.method == "POST" and request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="send application/json")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / FILES[request.path])

    async def _pool(self, _request: web.Request) -> web.Response:
        return web.json_response(decisions.pool(await self._router.list_llms()))

    async def _route(self, request: web.Request) -> web.Response:
        asked = _asked(await request.text())
        try:
            response, neighbours = await self._decided(asked)
        except (TypeError, ValueError) as error:  # the client refuses a field and names it
            raise web.HTTPBadRequest(text=str(error)) from None
        digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]  # stands for the query in the page's list
        return web.json_response({"hash": digest, "neighbours": neighbours, **decisions.decision(response)})

    async def _decided(self, asked: dict[str, Any]) -> tuple[pb.RouteResponse, Neighbours]:
        if self._explainer is None:
            routed = self._router.route(**asked, max_candidates=ALL_CANDIDATES, deadline_ms=ROUTE_DEADLINE_MS)
            return await routed, None
        request = route_request(**asked, max_candidates=ALL_CANDIDATES)
        return await self._explainer.route(request, ROUTE_DEADLINE_MS / 1000)

    async def _decisions(self, _request: web.Request) -> web.Response:
        """None where there is no log, so that the page can say how to have one."""
        if self._decision_log is None:
            return web.json_response({"decisions": None})
        try:
            found = await asyncio.to_thread(last_decisions, self._decision_log)
        except OSError as error:
            return _error(502, f"the decision log {self._decision_log} cannot be read: {error.strerror}")
        return web.json_response({"decisions": found})

    async def _live(self, _request: web.Request) -> web.Response:
        try:
            async with self._one_reads:
                if not self._readings or time.monotonic() - self._readings[-1].at >= LEAST_SECONDS:
                    self._readings.append(await self._read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return _error(502, f"the gateway's metrics cannot be read at {self._metrics_url}: {error}")
        newest = self._readings[-1]
        while len(self._readings) > 2 and newest.at - self._readings[1].at >= WINDOW_SECONDS:
            self._readings.popleft()
        return web.json_response(figures(self._readings[0], newest))

    async def _read(self) -> Reading:
        timeout = aiohttp.ClientTimeout(METRICS_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._metrics_url) as answer:
            answer.raise_for_status()
            return reading(await answer.text(), time.monotonic())


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # half of an IPv6 address
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _asked(body: str) -> dict[str, Any]:
    """The page's question.

    Raises:
        HTTPBadRequest: it is not one; the message says what is wrong.
    """
    try:
        asked = json.loads(body)
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"not JSON: {error}") from None
    if not isinstance(asked, dict) or asked.keys() - OPTIONS:
        raise web.HTTPBadRequest(text=f"send an object with {', '.join(sorted(OPTIONS))} only")
    if ("query" in asked) == ("messages" in asked):
        raise web.HTTPBadRequest(text="send either query (a text) or messages (a chat)")
    if not isinstance(asked.get("cost_weight", 0.0), int | float):
        raise web.HTTPBadRequest(text="cost_weight: must be a number")
    return asked


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
