"""`routerdc envoy-config`: writes Envoy's configuration."""

import json
from pathlib import Path

import click

from gateway import endpoints
from gateway.envoy_config.bootstrap import render
from gateway.envoy_config.dump import as_yaml
from gateway.envoy_config.options import BodyMode, Options
from gateway.errors import EndpointsError

_DEFAULTS = Options()


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


@click.command("envoy-config")
@click.option(
    "--endpoints",
    "endpoints_file",
    type=click.Path(path_type=Path),
    required=True,
    help="The endpoints.yaml that the gateway reads too.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="YAML, or JSON for .json. [default: stdout]"
)
@click.option(
    "--listen", type=_ADDRESS, default=_DEFAULTS.listen, help="Where clients connect. [default: 127.0.0.1:10000]"
)
@click.option("--admin", type=_ADDRESS, default=_DEFAULTS.admin, help="Envoy's own pages. [default: 127.0.0.1:9901]")
@click.option("--gateway", "gateways", type=_ADDRESS, multiple=True, help="Each gateway. [default: 127.0.0.1:50051]")
@click.option(
    "--gateway-ca", type=click.Path(path_type=Path), help="Authority of the gateways' certificates; speaks TLS."
)
@click.option("--gateway-cert", type=click.Path(path_type=Path), help="Envoy's certificate, where gateways want one.")
@click.option("--gateway-key", type=click.Path(path_type=Path), help="The key of that certificate.")
@click.option(
    "--system-ca",
    type=click.Path(path_type=Path),
    default=_DEFAULTS.system_ca,
    show_default=True,
    help="Authorities trusted for https endpoints without a ca_file.",
)
@click.option(
    "--body-mode",
    type=click.Choice([mode.value for mode in BodyMode]),
    default=_DEFAULTS.body_mode.value,
    show_default=True,
    help="How the gateway gets bodies. Only buffered goes on without a gateway.",
)
@click.option("--max-body-bytes", type=click.IntRange(1024), default=_DEFAULTS.max_body_bytes, show_default=True)
@click.option(
    "--decision-timeout-ms",
    type=click.IntRange(1),
    default=_DEFAULTS.decision_timeout_ms,
    show_default=True,
    help="Without a decision by then, the default LLM answers. Longer than the gateway's deadline.",
)
@click.option(
    "--first-byte-timeout-seconds",
    type=click.IntRange(1),
    default=_DEFAULTS.first_byte_timeout_seconds,
    show_default=True,
    help="An LLM that has not begun to answer by then counts as failed.",
)
@click.option(
    "--idle-timeout-seconds",
    type=click.IntRange(1),
    default=_DEFAULTS.idle_timeout_seconds,
    show_default=True,
    help="An answer in which nothing moves for so long is ended.",
)
@click.option(
    "--fail-closed",
    is_flag=True,
    help="Refuse requests (503) while no gateway answers, instead of sending them to the default LLMs; where API keys "
    "or rules must hold.",
)
@click.option(
    "--access-log", default=_DEFAULTS.access_log, show_default=True, help="File for one JSON object a request."
)
@click.option("--otlp", type=_ADDRESS, help="A collector's OTLP/gRPC port; sends it OpenTelemetry traces.")
@click.option(
    "--trace-share",
    type=click.FloatRange(0, 1),
    default=_DEFAULTS.trace_share,
    show_default=True,
    help="Share of traced requests among those without a trace context; with one, the caller has decided.",
)
def envoy_config(
    endpoints_file: Path,
    out: Path | None,
    gateways: tuple[tuple[str, int], ...],
    body_mode: str,
    **chosen: object,
) -> None:
    """Write an Envoy configuration that puts OpenAI's API in front of the router and its LLMs.

    API keys are named in endpoints.yaml (api_key_env, api_key_file) and read by Envoy itself; they are never written.
    """
    if bool(chosen["gateway_cert"]) != bool(chosen["gateway_key"]) or (
        chosen["gateway_cert"] and not chosen["gateway_ca"]
    ):
        raise click.UsageError("--gateway-cert and --gateway-key go together, and with --gateway-ca")
    options = Options(gateways=gateways or _DEFAULTS.gateways, body_mode=BodyMode(body_mode), **chosen)  # type: ignore[arg-type]
    try:
        config = render(endpoints.read(endpoints_file), options)
    except EndpointsError as error:
        raise click.ClickException(str(error)) from None
    as_json = out is not None and out.suffix == ".json"
    text = json.dumps(config, indent=2, sort_keys=True) + "\n" if as_json else as_yaml(config)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
