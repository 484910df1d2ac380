"""The command `routerdc`: a table of subcommands, each imported only when it is called.

Which subcommands exist is written in pyproject.toml (entry points of the group `routerdc.commands`): every part brings
its own, so this module knows none of them, and `routerdc gateway` never loads torch.
"""

from importlib.metadata import EntryPoint, entry_points

import click


def _subcommands() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="routerdc.commands")}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the subcommands, sorted."""
        return sorted(_subcommands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand of that name, imported now; None where there is none."""
        entry = _subcommands().get(cmd_name)
        if entry is None:
            return None
        try:
            command = entry.load()
        except ModuleNotFoundError as error:
            return _not_installed(cmd_name, error)
        assert isinstance(command, click.Command)  # noqa: S101 - a wrong line in pyproject.toml
        return command


def _not_installed(name: str, error: ModuleNotFoundError) -> click.Command:
    """Stands in for a subcommand whose part is not installed: `--help` still lists it and a call says what to do."""
    message = f"`routerdc {name}` needs the package {error.name!r}: install the extra that brings it (see README)"

    @click.command(name, context_settings={"ignore_unknown_options": True}, short_help=f"(needs {error.name})")
    @click.argument("arguments", nargs=-1)
    def command(arguments: tuple[str, ...]) -> None:
        raise click.ClickException(message)

    return command


@click.group(cls=_LazyGroup)
@click.version_option(package_name="routerdc-triton", prog_name="routerdc")
def main() -> None:
    """RouterDC: decides which LLM of a pool should answer a query."""
