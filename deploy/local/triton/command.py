"""`routerdc triton`: the embedded Triton alone, until Ctrl-C or SIGTERM."""

import signal
from pathlib import Path
from types import FrameType

import click

from deploy.local.processes.ports import LOCALHOST, PortError
from deploy.local.processes.process import ProcessError
from deploy.local.triton.install import UnsupportedPlatformError
from deploy.local.triton.server import TritonPorts, TritonServer

DEFAULT = TritonPorts()


@click.command()
@click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/model_repository"),
    show_default=True,
    help="Model repository, as `routerdc export` writes it.",
)
@click.option("--host", default=LOCALHOST, show_default=True, help="Address to listen on.")
@click.option("--triton-http-port", default=DEFAULT.http, show_default=True, help="0: any free one.")
@click.option("--triton-grpc-port", default=DEFAULT.grpc, show_default=True, help="0: any free one.")
@click.option("--triton-metrics-port", default=DEFAULT.metrics, show_default=True, help="0: any free one.")
@click.option(
    "--log", type=click.Path(dir_okay=False, path_type=Path), default=Path("build/logs/triton.log"), show_default=True
)
def triton(
    repository: Path, host: str, triton_http_port: int, triton_grpc_port: int, triton_metrics_port: int, log: Path
) -> None:
    """Run a real tritonserver on this machine, without a container."""
    signal.signal(signal.SIGTERM, _interrupt)
    ports = TritonPorts(triton_http_port, triton_grpc_port, triton_metrics_port)
    try:
        with TritonServer(repository, log=log, ports=ports, host=host) as server:
            click.echo(f"Triton is ready: gRPC {server.grpc_address}, HTTP {server.http_address}, log {log}")
            if status := server.process.wait():
                raise ProcessError(f"tritonserver ended with status {status}; {server.process.log_tail()}")
    except (FileNotFoundError, PortError, ProcessError, UnsupportedPlatformError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("Triton is stopped")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
