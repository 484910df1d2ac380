"""`routerdc serve` and `routerdc demo`: the service on this machine, until Ctrl-C or SIGTERM."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import reduce
from pathlib import Path
from types import FrameType
from typing import Any

import click
from click.core import ParameterSource

from cli.answer import Answer, answers
from deploy.local.ended_part import EndedPart
from deploy.local.first_bundle import FirstBundle, is_for
from deploy.local.folder import folder_of_its_own
from deploy.local.processes.ports import PortError
from deploy.local.processes.process import ProcessError
from deploy.local.repository import REPOSITORY, published_bundle
from deploy.local.stack import ROUTERDC, FrontPorts, Service, console, demo_endpoints, export_bundle, service
from deploy.local.triton.install import UnsupportedPlatformError
from deploy.local.triton.server import TritonPorts
from routerdc_contract.bundle import BundleError

_BUNDLES = Path(__file__).parents[2] / "bundles"
SHIPPED_BUNDLE = _BUNDLES / "default"
"""The paper's pool: what is benchmarked and what images hold."""
DEMO_BUNDLE = _BUNDLES / "reasoning"
"""A pool of 2025: what the demo shows."""
LOOK_SECONDS = 0.5

Command = Callable[..., Any]


def _service_options(bundle: Path) -> Callable[[Command], Command]:
    """What both commands take: bundle (if none is named, `bundle`), folder and ports."""
    triton, front = TritonPorts(), FrontPorts()
    options = (
        _port("--envoy-port", front.envoy),
        _port("--console-port", front.console),
        _port("--gateway-http-port", front.gateway_http),
        _port("--gateway-metrics-port", front.gateway_metrics),
        _port("--gateway-port", front.gateway),
        _port("--triton-metrics-port", triton.metrics),
        _port("--triton-grpc-port", triton.grpc),
        _port("--triton-http-port", triton.http),
        click.option(
            "--folder",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("build"),
            show_default=True,
            help="Gets the model repository, the logs and what the parts tell each other.",
        ),
        click.option(
            "--bundle",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            default=bundle,
            show_default=f"the shipped {bundle.name}",
            help="Folder of the trained router.",
        ),
    )
    return lambda command: reduce(lambda decorated, option: option(decorated), options, command)


def _port(flag: str, default: int) -> Callable[[Command], Command]:
    variable = flag.removeprefix("--").replace("-", "_").upper()
    return click.option(
        flag,
        type=click.IntRange(0, 65535),
        default=default,
        envvar=variable,
        show_default=True,
        show_envvar=True,
        help="0: any free one.",
    )


@click.command()
@click.option(
    "--endpoints-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=Path("endpoints.yaml"),
    show_default=True,
    help="Where each LLM of the bundle is served.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "int8"]),
    help="Of the encoder; default: int8, which is faster. fp32 is for pools whose LLMs are too close for int8.",
)
@_service_options(SHIPPED_BUNDLE)
def serve(endpoints_file: Path, precision: str | None, bundle: Path, folder: Path, **ports: int) -> None:
    """Serve a bundle on this machine: a real Triton, the gateway in front of it, and Envoy for OpenAI clients.

    Without --bundle, and where the shipped bundle is not for the LLMs of endpoints.yaml, every query goes to the
    default LLMs. Routing begins, without a restart, when a bundle for them is exported into the folder.
    """
    chosen = click.get_current_context().get_parameter_source("bundle") is not ParameterSource.DEFAULT
    with _running() as stack:
        stack.enter_context(folder_of_its_own(folder))
        with_router = chosen or bool(published_bundle(folder)) or is_for(bundle, endpoints_file)
        running, url = _start(stack, bundle, folder, endpoints_file, ports, precision, with_router=with_router)
        click.echo(_addresses(running, url))
        _wait(running, None if with_router else FirstBundle(running.triton, folder, endpoints_file))


@click.command()
@click.option("--check", is_flag=True, help="Route the sample queries and exit: 0 if every one was answered, else 1.")
@_service_options(DEMO_BUNDLE)
@answers
def demo(check: bool, bundle: Path, folder: Path, answer: Answer, **ports: int) -> None:
    """Start everything with demo endpoints in place of LLMs, and route real queries."""
    from deploy.local.demo.samples import route_samples, show_samples
    from routerdc_client import RouteError

    with _running() as stack:
        stack.enter_context(folder_of_its_own(folder))
        endpoints_file = stack.enter_context(demo_endpoints(bundle, folder))
        running, url = _start(stack, bundle, folder, endpoints_file, ports)
        try:
            samples = route_samples(running.gateway_address, running.openai_base_url)
        except RouteError as error:
            raise click.ClickException(str(error)) from None
        show_samples(answer, samples)
        if not all(sample.ok for sample in samples):
            raise click.ClickException(f"a query was not routed and answered; the logs are in {folder / 'logs'}")
        if not check:
            answer.say(_invitation(running, url))
            _wait(running)


def _start(
    stack: ExitStack,
    bundle: Path,
    folder: Path,
    endpoints_file: Path,
    ports: dict[str, int],
    precision: str | None = None,
    *,
    with_router: bool = True,
) -> tuple[Service, str]:
    started = time.monotonic()
    if with_router:
        repository = repository_in_use(bundle, folder, precision)
        click.echo("starting Triton, the gateway and Envoy …", err=True)
    else:
        repository = folder / REPOSITORY
        click.echo(_without_router(folder, endpoints_file), err=True)
    triton_ports = TritonPorts(ports["triton_http_port"], ports["triton_grpc_port"], ports["triton_metrics_port"])
    front_ports = FrontPorts(
        ports["gateway_port"],
        ports["gateway_metrics_port"],
        ports["envoy_port"],
        gateway_http=ports["gateway_http_port"],
    )
    parts = service(repository, endpoints_file, folder, triton_ports, front_ports, with_router=with_router)
    running = stack.enter_context(parts)
    url = stack.enter_context(console(running, folder, ports["console_port"]))
    click.echo(f"ready after {time.monotonic() - started:.1f} s", err=True)
    return running, url


def repository_in_use(bundle: Path, folder: Path, precision: str | None) -> Path:
    """The model repository to start with: the one under `folder` if a bundle was published to it, else `bundle`'s."""
    if published := published_bundle(folder):
        repository = folder / REPOSITORY
        click.echo(
            f"serving bundle {published}, which was published to {repository}; "
            f"to start with {bundle} instead, publish it or remove {repository}",
            err=True,
        )
        return repository
    click.echo(f"exporting {bundle.name} …", err=True)
    return export_bundle(bundle, folder, precision)


def _without_router(folder: Path, endpoints_file: Path) -> str:
    return (
        f"no bundle for the LLMs of {endpoints_file} yet: every query goes to the default LLMs\n"
        f"routing begins when there is one: routerdc export --bundle BUNDLE --out {folder}"
    )


def _addresses(running: Service, url: str) -> str:
    return (
        f"Serving until Ctrl-C: {running.gateway_address} (gRPC) and {running.openai_base_url} (OpenAI, model auto)\n"
        f"Decisions over HTTP: http://{running.gateway_http_address}/v1/route\n"
        f"Console, which shows why a query goes where it goes: {url}\n"
        f"Metrics: http://{running.gateway_metrics_address}/metrics (gateway)"
        + (f", http://{running.triton.metrics_address}/metrics (Triton)" if running.triton.started else "")
    )


def _invitation(running: Service, url: str) -> str:
    return (
        f"{_addresses(running, url)}\n"
        "Send your own query from another terminal:\n"
        f'  {_program()} route --address {running.gateway_address} "…"\n'
        f"  curl {running.openai_base_url}/chat/completions -H 'content-type: application/json' \\\n"
        """    -d '{"model": "auto", "messages": [{"role": "user", "content": "…"}]}'"""
    )


def _program() -> str:
    """`routerdc` as a shell in this folder can call it."""
    if shutil.which("routerdc") == str(ROUTERDC):
        return "routerdc"
    return str(ROUTERDC.relative_to(Path.cwd())) if ROUTERDC.is_relative_to(Path.cwd()) else str(ROUTERDC)


def _wait(running: Service, first_bundle: FirstBundle | None = None) -> None:
    """Returns never; raises when a part without which nobody is answered ended by itself."""
    looked_after = (
        EndedPart(running.triton, "the default LLMs answer"),
        EndedPart(running.watcher, "Envoy keeps the endpoints that it knows"),
    )
    while True:
        if first_bundle is not None:
            first_bundle.look()
        for part in looked_after:
            part.look()
        for process in running.front:
            if not process.running:
                raise ProcessError(f"{process.name} ended by itself; {process.log_tail()}")
        time.sleep(LOOK_SECONDS)


@contextmanager
def _running() -> Iterator[ExitStack]:
    """Stops in reverse order whatever the block started, on Ctrl-C and SIGTERM too, and says errors in one line."""
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell's background job starts with SIGINT ignored
        signal.signal(number, _interrupt)
    try:
        with ExitStack() as stack:
            yield stack
    except (BundleError, PortError, ProcessError, UnsupportedPlatformError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
