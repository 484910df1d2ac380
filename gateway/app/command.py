"""`routerdc gateway`: runs the server. Every setting is a flag; the flags are made from the settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from pydantic.fields import FieldInfo

from gateway.app import server, workers
from gateway.config import settings
from gateway.errors import StartupError
from gateway.telemetry import logs

Command = Callable[..., None]


def _flag(name: str, field: FieldInfo) -> click.Option:
    default = "none" if field.default is None else field.default
    text = f"{field.description} [default: {default}]"
    return click.Option([f"--{name.replace('_', '-')}"], help=text, metavar=_metavar(field))


def _metavar(field: FieldInfo) -> str:
    return "N" if field.annotation is int else "NUMBER" if field.annotation is float else "VALUE"


def _with_settings(command: click.Command) -> click.Command:
    command.params += [_flag(name, field) for name, field in settings.Settings.model_fields.items()]
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
        logs.configure(chosen.log_level)
        if chosen.workers > 1:
            workers.run(chosen)
        else:
            server.run(chosen)
    except StartupError as error:
        raise click.ClickException(str(error)) from None
