"""Stand-ins for LLM endpoints that speak OpenAI's and Anthropic's APIs: honest about being demos, with scripted faults.

    python -m deploy.local.demo.endpoints --llm NAME [--llm NAME …] --ports-file FILE [--host ADDRESS --first-port PORT]

Every LLM gets a port of its own on 127.0.0.1, chosen by the system; when all of them listen, FILE holds {name: port} as
JSON. `PUT /demo/behaviour` on an endpoint changes how it answers from then on (see `Behaviour`). This module knows
nothing of routing: it answers whatever arrives, and says in its answer which LLM it stands in for. What it says stands
in answers.py.
"""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import click
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.local.demo import answers as demo_answers
from deploy.local.demo import anthropic as demo_anthropic
from routerdc_contract.whole_file import write_whole

MAX_BODY_BYTES = 16 * 2**20


class Behaviour(BaseModel):
    """How an endpoint answers requests for an answer of the LLM."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delay_ms: float = Field(default=0, ge=0, description="before the first byte")
    chunk_delay_ms: float = Field(default=10, ge=0, description="between the chunks of a stream")
    status: int = Field(
        default=200, ge=200, le=599, description="other than 200: answered with an error of that status"
    )
    message: str = Field(default="this demo endpoint was told to fail", description="of that error")
    retry_after: str | None = Field(default=None, description="header of such an error")
    reset: bool = Field(default=False, description="close the connection without an answer")
    reset_after_chunks: int | None = Field(default=None, ge=0, description="close it in the middle of a stream")


class DemoEndpoint:
    """One stand-in: an aiohttp application for the LLM `name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.behaviour = Behaviour()

    def application(self) -> web.Application:
        """The routes of this endpoint."""
        application = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_errors_in_form])
        application.router.add_get("/health", self._health)
        application.router.add_get("/v1/models", self._models)
        for api in demo_answers.INPUT_FIELDS:
            application.router.add_post(api, self._complete)
        application.router.add_put("/demo/behaviour", self._set_behaviour)
        return application

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(status=200 if self.behaviour.status == 200 else 503)

    async def _models(self, _: web.Request) -> web.Response:
        model = {"id": self.name, "object": "model", "created": 0, "owned_by": "demo"}
        return web.json_response({"object": "list", "data": [model]})

    async def _set_behaviour(self, request: web.Request) -> web.Response:
        try:
            self.behaviour = Behaviour.model_validate_json(await request.text())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return web.json_response(self.behaviour.model_dump())

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await _json_object(request)
        given = body.get(field := demo_answers.INPUT_FIELDS[request.path])
        if not isinstance(given, list | str) or not given:
            raise web.HTTPBadRequest(text=f"{field}: is needed and must not be empty")
        await asyncio.sleep(self.behaviour.delay_ms / 1000)
        if self.behaviour.reset:
            _close(request)
        if self.behaviour.status != 200:
            error = _error(request, self.behaviour.status, self.behaviour.message)
            if self.behaviour.retry_after is not None:
                error.headers["Retry-After"] = self.behaviour.retry_after
            return error
        if body.get("stream"):
            return await self._stream(request, given)
        return web.json_response(demo_answers.whole(request.path, self.name, given))

    async def _stream(self, request: web.Request, given: str | list[Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        for number, event in enumerate(demo_answers.events(request.path, self.name, given)):
            if number == self.behaviour.reset_after_chunks:
                _close(request)
            await response.write(event.encode())
            await asyncio.sleep(self.behaviour.chunk_delay_ms / 1000)
        return response


def _close(request: web.Request) -> None:
    assert request.transport is not None  # noqa: S101 - a request that is being answered has one
    request.transport.abort()


async def _json_object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.text())
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"body: not JSON: {error}") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="body: a JSON object is needed")
    return body


def _error(request: web.Request, status: int, message: str) -> web.Response:
    """In the form of the API that was called."""
    if request.path.startswith(demo_anthropic.MESSAGES):
        return web.json_response(demo_anthropic.error(status, message), status=status)
    kind = "invalid_request_error" if status < 500 else "server_error"
    return web.json_response({"error": {"message": message, "type": kind, "code": status}}, status=status)


@web.middleware
async def _errors_in_form(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as error:
        return _error(request, error.status, error.text or error.reason)
    assert isinstance(response, web.StreamResponse)  # noqa: S101 - aiohttp's handlers return nothing else
    return response


async def serve(names: tuple[str, ...], ports_file: Path, host: str = "127.0.0.1", first_port: int = 0) -> None:
    """Serves one endpoint for each name until SIGTERM or SIGINT; then closes them all.

    Args:
        names: the LLMs to stand in for.
        ports_file: gets the port of each when all of them listen.
        host: address to listen on.
        first_port: port of the first one; each other has the next. 0: any free ones.
    """
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    runners = [web.AppRunner(DemoEndpoint(name).application(), access_log=None) for name in names]
    try:
        wanted = range(first_port, first_port + len(names)) if first_port else [0] * len(names)
        ports = {
            name: await _listen(runner, host, port) for name, runner, port in zip(names, runners, wanted, strict=True)
        }
        write_whole(ports_file, json.dumps(ports))
        await stop.wait()
    finally:
        await asyncio.gather(*(runner.cleanup() for runner in runners))


async def _listen(runner: web.AppRunner, host: str, port: int) -> int:
    await runner.setup()
    site = web.TCPSite(runner, host, port, shutdown_timeout=1)
    await site.start()
    return int(runner.addresses[0][1])


@click.command()
@click.option("--llm", "names", multiple=True, required=True, help="LLM to stand in for; one endpoint each.")
@click.option("--ports-file", type=click.Path(path_type=Path), required=True, help="Written when all of them listen.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--first-port", type=click.IntRange(0, 65000), default=0, help="Each LLM has the next. 0: any free ones.")
def main(names: tuple[str, ...], ports_file: Path, host: str, first_port: int) -> None:
    """Starts one demo endpoint for each LLM."""
    asyncio.run(serve(names, ports_file, host, first_port))


if __name__ == "__main__":
    main()
