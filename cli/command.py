"""The command `routerdc`: a table of subcommands, each imported only when it is called.

Which subcommands exist is written in pyproject.toml (entry points of the group `routerdc.commands`): every part brings
its own, so this module knows none of them, and `routerdc gateway` never loads torch.
"""

import errno
import os
import signal
import sys
import threading
from functools import cache
from importlib.metadata import EntryPoint, entry_points

import click
from click.shell_completion import CompletionItem

from cli.summaries import summary

# Libraries of parts, and the processes that they start, call nobody that the user has not asked for.
_QUIET = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
# What is wrong with the machine and not with the command. What stood before stands still.
_CURES = {
    errno.ENOSPC: "make room and start the command again",
    errno.EDQUOT: "make room and start the command again",
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EROFS: "name a place that can be written",
    errno.EACCES: "ask its owner for access, or name another place",
    errno.EPERM: "ask its owner for access, or name another place",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files (fs.file-max)",
}


@cache
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

    def invoke(self, ctx: click.Context) -> object:
        """Runs the subcommand; says in one line what the machine lacks."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno not in _CURES:
                raise
            where = f"{error.filename2 or error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror}: {_CURES[error.errno]}") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the subcommands in `--help`, without importing them."""
        rows = [(name, summary(_subcommands()[name])) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes names of subcommands, without importing them, and options."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        items = [CompletionItem(name, help=summary(_subcommands()[name])) for name in names]
        return items + click.Command.shell_complete(self, ctx, incomplete)


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
    os.environ |= _QUIET
    if threading.current_thread() is threading.main_thread():
        # A container's first process is spared signals that it does not handle. Servers replace this by their own.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
