"""Entrances that load is offered to: unary gRPC methods, and chat completions and decisions over HTTP."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import grpc
from grpc import aio

from loadtest.open_loop.generator import CallError, Target
from loadtest.requests import messages

# Without it channels with the same options share one connection.
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
_CONNECT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class _Grpc:
    calls: "itertools.cycle[aio.UnaryUnaryMultiCallable[bytes, bytes]]"
    problem: Callable[[bytes], str]

    async def send(self, request: bytes, timeout_seconds: float) -> bytes:
        try:
            return await next(self.calls)(request, timeout=timeout_seconds)
        except aio.AioRpcError as error:
            raise CallError(error.code().name) from None


@asynccontextmanager
async def grpc_target(
    address: str, method: str, problem: Callable[[bytes], str], connections: int = 1
) -> AsyncIterator[Target]:
    """A unary method at `address` (host:port); calls take turns over `connections`, which are ready.

    Gateways that share a port get connections, not calls, dealt out by the kernel: use several for each.

    Raises:
        CallError: no connection within 30 s.
    """
    channels = [aio.insecure_channel(address, options=_OWN_CONNECTION) for _ in range(connections)]
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await asyncio.gather(*(channel.channel_ready() for channel in channels))
        yield _Grpc(itertools.cycle([channel.unary_unary(method) for channel in channels]), problem)
    except TimeoutError:
        raise CallError(f"{grpc.StatusCode.UNAVAILABLE.name}: {address}") from None
    finally:
        for channel in channels:
            await channel.close()


async def post(
    session: aiohttp.ClientSession, url: str, request: bytes, timeout_seconds: float
) -> tuple[aiohttp.ClientResponse, bytes]:
    """Sends `request`, JSON, and gives the answer with its body.

    Raises:
        CallError: there is none, or its status is not 200.
    """
    timeout, headers = aiohttp.ClientTimeout(total=timeout_seconds or 1e-6), {"Content-Type": "application/json"}
    try:
        async with session.post(url, data=request, headers=headers, timeout=timeout) as response:
            body = await response.read()
    except TimeoutError:
        raise CallError(grpc.StatusCode.DEADLINE_EXCEEDED.name) from None
    except aiohttp.ClientError as error:
        raise CallError(type(error).__name__) from None
    if response.status != 200:
        raise CallError(f"HTTP_{response.status}")
    return response, body


@dataclass(frozen=True, slots=True)
class _Http:
    session: aiohttp.ClientSession
    url: str

    async def send(self, request: bytes, timeout_seconds: float) -> bytes:
        response, _ = await post(self.session, self.url, request, timeout_seconds)
        return response.headers.get("x-routerdc-reason", "").encode()

    def problem(self, answer: bytes) -> str:
        return ""  # whatever has no decision answers with another status


class _Chat(_Http):
    def problem(self, answer: bytes) -> str:
        return "" if answer and answer.decode() != messages.FALLBACK else "REASON_FALLBACK"


@asynccontextmanager
async def chat_target(base_url: str) -> AsyncIterator[Target]:
    """Chat completions at `base_url`, without streaming; as many connections as there are requests in flight."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield _Chat(session, base_url + messages.CHAT_COMPLETIONS)


@asynccontextmanager
async def decision_target(url: str) -> AsyncIterator[Target]:
    """The System One protocol at `url`; as many connections as there are requests in flight."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield _Http(session, url + messages.SYSTEM_ONE)
