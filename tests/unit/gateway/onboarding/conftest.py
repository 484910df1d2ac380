"""OpenAI-compatible servers on this machine, beside the test in a thread, for commands that run a loop of their own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer


def llm_server(models: list[str], key: str | None = None, broken: str = "") -> web.Application:
    """A server with `models` that wants `key`; the model `broken` answers with an error."""

    @web.middleware
    async def guarded(request: web.Request, handler: Callable[[web.Request], object]) -> web.StreamResponse:
        if key and request.headers.get("Authorization") != f"Bearer {key}":
            sent = request.headers.get("Authorization", "")
            return web.json_response({"error": f"wrong key {sent.removeprefix('Bearer ')}"}, status=401)
        return await handler(request)  # type: ignore[misc, no-any-return]

    async def listed(_request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": name} for name in models]})

    async def answered(request: web.Request) -> web.Response:
        model = (await request.json())["model"]
        if model == broken:
            return web.json_response({"error": "out of memory"}, status=500)
        return web.json_response({"model": model, "choices": [{"message": {"role": "assistant", "content": "OK"}}]})

    application = web.Application(middlewares=[guarded])
    application.router.add_get("/v1/models", listed)
    application.router.add_post("/v1/chat/completions", answered)
    return application


Serve = Callable[[web.Application], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts an application, and gives its base URL; all of them end with the test."""
    with ExitStack() as stack:
        yield lambda application: stack.enter_context(_serving(application))


@contextmanager
def _serving(application: web.Application) -> Iterator[str]:
    loop, started = asyncio.new_event_loop(), threading.Event()
    server = TestServer(application)

    def run() -> None:
        loop.run_until_complete(server.start_server())
        started.set()
        loop.run_forever()
        loop.run_until_complete(server.close())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait(10)
    try:
        yield f"http://127.0.0.1:{server.port}/v1"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
