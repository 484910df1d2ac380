"""`routerdc gateway`: runs the server. Every setting is a flag; the flags are made from the settings."""

import os
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import click
import structlog
from pydantic.fields import FieldInfo

from gateway.app import server, workers
from gateway.config import settings
from gateway.errors import StartupError
from gateway.telemetry import logs

log = structlog.get_logger("gateway.app.command")


def _flag(name: str, field: FieldInfo) -> click.Option:
    flag, kind = f"--{name.replace('_', '-')}", _kind(field)
    default = "none" if field.default is None else field.default
    if kind is click.BOOL:
        shown = flag if field.default else f"--no-{flag[2:]}"
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=None, help=f"{field.description} [default: {shown}]")
    return click.Option([flag], type=kind, help=f"{field.description} [default: {default}]")


def _kind(field: FieldInfo) -> "click.ParamType[Any]":
    """The type of a flag. Limits are checked where all sources meet, so that they are named alike."""
    annotation = field.annotation
    if isinstance(annotation, UnionType):  # "… | None"
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    plain: dict[Any, Any] = {
        bool: click.BOOL,
        int: click.INT,
        float: click.FLOAT,
        Path: click.Path(path_type=Path),
    }
    kind: click.ParamType[Any] = plain.get(annotation, click.STRING)
    return kind


def _with_settings(command: click.Command) -> click.Command:
    command.params += [_flag(name, field) for _, name, field in settings.fields()]
    return command


@_with_settings
@click.command()
@click.option("--config", type=click.Path(path_type=Path), envvar=f"{settings.ENV_PREFIX}CONFIG", help="YAML file")
def gateway(config: Path | None, **flags: Any) -> None:
    """Serve routing decisions over gRPC, with Triton behind.

    Each setting can also stand in the YAML file, or in the environment as ROUTERDC_ and its name; flags win, then the
    environment, then the file. SIGTERM drains: calls in flight are answered first.
    """
    try:
        chosen = settings.load(config, {name: value for name, value in flags.items() if value is not None})
        logs.configure(chosen.logs.log_level)
        for sentence in settings.unknown_variables(os.environ):
            log.warning("unknown variable", problem=sentence)
        if chosen.listen.workers > 1:
            workers.run(chosen)
        else:
            server.run(chosen)
    except StartupError as error:
        raise click.ClickException(str(error)) from None
