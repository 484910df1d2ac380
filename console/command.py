"""`routerdc console`: serves the page until Ctrl-C or SIGTERM."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import cast

import click
from aiohttp import web

from console.explaining import Explainer
from console.server import Console
from routerdc_client import AsyncRouterClient, ClientTls

MAX_CONNECTIONS = 256
"""A browser has six for each page. More are closed at once: each keeps a file descriptor, whether it asks or not."""
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--gateway", default="127.0.0.1:50051", show_default=True, help="host:port of the gateway's gRPC")
@click.option("--metrics", default="http://127.0.0.1:9464/metrics", show_default=True, help="URL of its metrics")
@click.option("--http", metavar="URL", help="of its HTTP API: shows training queries near to what is asked")
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on")
@click.option("--port", type=click.IntRange(0, 65535), default=9465, show_default=True, help="0: any free one")
@click.option("--allow-host", multiple=True, metavar="NAME", help="name by which browsers may call it (repeatable)")
@click.option("--ca-file", type=_FILE, help="connect to the gateway with TLS; authority that vouches for it, PEM")
@click.option(
    "--decision-log",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="ROUTERDC_DECISION_LOG_FILE",
    show_envvar=True,
    help="the gateway's decision log on this machine: shows the last decisions, as hashes unless it holds texts",
)
@click.option("--api-key", envvar="ROUTERDC_API_KEY", help="better given as the variable ROUTERDC_API_KEY")
def console(
    gateway: str,
    metrics: str,
    http: str | None,
    host: str,
    port: int,
    allow_host: tuple[str, ...],
    ca_file: Path | None,
    decision_log: Path | None,
    api_key: str | None,
) -> None:
    """Serve a page that shows why a query goes where it goes, and what the gateway does at the moment.

    Everybody who can open the page asks the gateway with this API key, so it listens on this machine only unless
    --host says otherwise.
    """
    tls = ClientTls(ca_file) if ca_file else None
    hosts = frozenset(allow_host) | LOOPBACK_NAMES
    router = partial(AsyncRouterClient, gateway, tls=tls, api_key=api_key)
    try:
        explainer = Explainer(http, api_key, ca_file) if http else None
        made = partial(Console, metrics_url=metrics, hosts=hosts, decision_log=decision_log, explainer=explainer)
        asyncio.run(_serve(router, made, host, port))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}: choose another --port") from None


async def _serve(
    router: Callable[[], AsyncRouterClient], console: Callable[[AsyncRouterClient], Console], host: str, port: int
) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with (
        router() as client,
        serving(console(client), host, port) as url,
    ):
        click.echo(f"console: {url}")
        await stopped.wait()


@asynccontextmanager
async def serving(console: Console, host: str, port: int) -> AsyncIterator[str]:
    """The console's server while the block runs; gives its URL.

    Raises:
        OSError: it cannot listen there.
    """
    runner = web.AppRunner(console.application(), access_log=None)
    await runner.setup()
    server: asyncio.Server | None = None
    try:
        server = await asyncio.get_running_loop().create_server(_bounded(runner.server), host, port)
        address, bound = server.sockets[0].getsockname()[:2]
        yield f"http://{f'[{address}]' if ':' in address else address}:{bound}/"
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()


def _bounded(server: web.Server | None) -> Callable[[], asyncio.BaseProtocol]:
    """Serves each connection by `server`, until it has as many as it may."""
    assert server is not None  # noqa: S101 - after the runner's setup
    return lambda: server() if len(server.connections) < MAX_CONNECTIONS else _Refused()


class _Refused(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()
