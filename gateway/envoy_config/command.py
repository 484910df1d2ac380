"""`routerdc envoy-config`: writes Envoy's configuration."""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gateway.config.addresses import hint
from gateway.config.endpoints_file import EndpointsFile, read
from gateway.config.settings import ENV_PREFIX
from gateway.envoy_config.bootstrap import render, render_watched
from gateway.envoy_config.parts.dump import as_yaml
from gateway.envoy_config.parts.options import BodyMode, Options
from gateway.envoy_config.parts.watched import folder_of
from gateway.envoy_config.watch import Watcher
from gateway.errors import EndpointsError
from routerdc_contract.output_path import OutputPath
from routerdc_contract.whole_file import write_whole

_DEFAULTS = Options()
_API_KEYS = f"{ENV_PREFIX}API_KEYS_FILE"

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class _Address(click.ParamType[tuple[str, int]]):
    name = "HOST:PORT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            self.fail(f"{value!r} is not HOST:PORT", param, ctx)
        return host.strip("[]"), int(port)


_ADDRESS = _Address()


def _path(flag: str, text: str, **more: Any) -> Decorator:
    return click.option(flag, type=click.Path(path_type=Path), help=text, **more)


def _chosen(flag: str, kind: click.ParamType[Any], text: str | None = None) -> Decorator:
    """An option with the default that `Options` has, shown."""
    default = getattr(_DEFAULTS, flag.removeprefix("--").replace("-", "_"))
    if isinstance(default, tuple):  # click would show it as a tuple
        return click.option(flag, type=kind, default=default, help=f"{text} [default: {default[0]}:{default[1]}]")
    value = default.value if isinstance(default, BodyMode) else default
    return click.option(flag, type=kind, default=value, show_default=True, help=text)


@click.command("envoy-config")
@_path("--endpoints", "The endpoints.yaml that the gateway reads too.", required=True)
@click.option("--out", type=OutputPath(dir_okay=False), help="YAML, or JSON for .json. [default: stdout]")
@_chosen("--listen", _ADDRESS, "Where clients connect.")
@_chosen("--admin", _ADDRESS, "Envoy's own pages.")
@click.option("--metrics", type=_ADDRESS, help="Where Prometheus finds Envoy's metrics (/metrics).")
@click.option(
    "--gateway",
    "gateways",
    type=_ADDRESS,
    multiple=True,
    help="Each gateway's ext_proc port. [default: 127.0.0.1:50052]",
)
@_path("--gateway-ca", "Authority of the gateways' certificates; speaks TLS.")
@_path("--gateway-cert", "Envoy's certificate, where gateways want one.")
@_path("--gateway-key", "The key of that certificate.")
@_chosen("--system-ca", click.Path(path_type=Path), "Authorities trusted for https endpoints without a ca_file.")
@_chosen(
    "--body-mode",
    click.Choice([mode.value for mode in BodyMode]),
    "How the gateway gets bodies. Only buffered goes on without a gateway.",
)
@_chosen("--max-body-bytes", click.IntRange(1024))
@_chosen("--max-heap-mib", click.IntRange(64), "Memory; near it the largest requests end, and new ones are refused.")
@_chosen("--max-connections", click.IntRange(1), "Connections of clients at once.")
@_chosen(
    "--requests-per-address",
    click.IntRange(0),
    "Requests a second of one client's address, and as many at once; 0 for any number. Where callers are strangers.",
)
@_chosen("--request-timeout-seconds", click.IntRange(1), "A request is to be there by then, with its body.")
@_chosen(
    "--decision-timeout-ms",
    click.IntRange(1),
    "Without a decision by then, the default LLM answers. Longer than the gateway's deadline.",
)
@_chosen(
    "--first-byte-timeout-seconds", click.IntRange(1), "An LLM that has not begun to answer by then counts as failed."
)
@_chosen("--idle-timeout-seconds", click.IntRange(1), "An answer in which nothing moves for so long is ended.")
@click.option(
    "--fail-closed",
    is_flag=True,
    help="Refuse requests (503) while no gateway answers, instead of sending them to the default LLMs: where rules "
    f"must hold. With API keys (the variable {_API_KEYS}, as the gateway reads it) that is so by itself.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Go on, and render again whenever endpoints.yaml changes, into files beside --out that Envoy watches.",
)
@click.option("--cors-origin", "cors_origins", multiple=True, help="Web pages of this origin may ask; * for all.")
@_chosen("--access-log", click.STRING, "File for one JSON object a request.")
@click.option("--otlp", type=_ADDRESS, help="A collector's OTLP/gRPC port; sends it OpenTelemetry traces.")
@_chosen(
    "--trace-share",
    click.FloatRange(0, 1),
    "Share of traced requests among those without a trace context; with one, the caller has decided.",
)
def envoy_config(
    endpoints: Path,
    out: Path | None,
    gateways: tuple[tuple[str, int], ...],
    body_mode: str,
    fail_closed: bool,
    watch: bool,
    **chosen: object,
) -> None:
    """Write an Envoy configuration that puts OpenAI's API in front of the router and its LLMs.

    API keys are named in endpoints.yaml (api_key_env, api_key_file) and read by Envoy itself; they are never written.
    """
    if bool(chosen["gateway_cert"]) != bool(chosen["gateway_key"]) or (
        chosen["gateway_cert"] and not chosen["gateway_ca"]
    ):
        raise click.UsageError("--gateway-cert and --gateway-key go together, and with --gateway-ca")
    closed = fail_closed or bool(os.environ.get(_API_KEYS))
    known = {"gateways": gateways or _DEFAULTS.gateways, "body_mode": BodyMode(body_mode), "fail_closed": closed}
    options = Options(**known, **chosen)  # type: ignore[arg-type]
    if watch and out is None:
        raise click.UsageError("--watch needs --out: Envoy reads the files again")
    try:
        if watch and out is not None:
            _watch(endpoints, out, replace(options, watched=folder_of(out)))
        else:
            _put(out, _as_text(out, render(_read(endpoints), options)))
    except EndpointsError as error:
        raise click.ClickException(str(error)) from None


def _watch(endpoints: Path, out: Path, options: Options) -> None:
    """The bootstrap comes last: an Envoy that waits for it finds everything. SIGTERM ends it."""
    # A server's proper end, where other commands end with an error (cli/command.py).
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    watcher = Watcher(
        endpoints,
        lambda: _read(endpoints),
        lambda file, leaving: render_watched(file, options, leaving),
        as_yaml,
        click.echo,
    )
    watcher.look()
    _put(out, _as_text(out, render(_read(endpoints), options)))
    watcher.run()


def _read(endpoints: Path) -> EndpointsFile:
    """The file's content; prints a hint about an address that is probably wrong.

    Raises:
        EndpointsError: it cannot be used.
    """
    file = read(endpoints)
    for where, endpoint in file.endpoints:
        if advice := hint(endpoint.address):
            click.echo(f"Hint: {endpoints}: {where}.address: {advice}", err=True)
    return file


def _put(out: Path | None, text: str) -> None:
    if out is None:
        click.echo(text, nl=False)
    else:
        write_whole(out, text)


def _as_text(out: Path | None, config: dict[str, Any]) -> str:
    """JSON for a file of that name, else YAML."""
    as_json = out is not None and out.suffix == ".json"
    return json.dumps(config, indent=2, sort_keys=True) + "\n" if as_json else as_yaml(config)
