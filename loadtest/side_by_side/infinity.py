"""infinity-emb's HTTP server with the same encoder, as a child; and how it is asked."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from loadtest.open_loop.targets import post
from loadtest.servers.processes import free_ports
from loadtest.side_by_side.http_server import HttpServer, http_server


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Its OpenAI-like endpoint as a target of load."""

    session: aiohttp.ClientSession
    url: str

    async def send(self, request: bytes, timeout_seconds: float) -> bytes:
        """See `Target`."""
        _, answer = await post(self.session, self.url, request, timeout_seconds)
        return answer

    def problem(self, answer: bytes) -> str:
        """See `Target`."""
        return "" if b'"embedding"' in answer else "NO_EMBEDDING"


@asynccontextmanager
async def embeddings(url: str) -> AsyncIterator[Embeddings]:
    """The endpoint of the server at `url`; as many connections as there are requests in flight."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield Embeddings(session, f"{url}/embeddings")


def message(query: str) -> bytes:
    """A request for one embedding."""
    return json.dumps({"model": "encoder", "input": [query]}).encode()


@contextmanager
def infinity(python: Path, encoder: Path, log: Path) -> Iterator[HttpServer]:
    """The server while the block runs, with its defaults on a CPU.

    Raises:
        StartError: it did not start.
    """
    (port,) = free_ports(1)
    command = [
        str(python.with_name("infinity_emb")),
        "v2",
        "--model-id",
        str(encoder),
        "--served-model-name",
        "encoder",
    ]
    command += ["--engine", "torch", "--device", "cpu", "--no-bettertransformer"]  # which transformers no longer has
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with http_server(command, f"http://127.0.0.1:{port}", "/health", log) as server:
        yield server
