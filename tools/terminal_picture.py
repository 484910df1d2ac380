"""Draws what a command prints as an SVG, for the README.

    python -m tools.terminal_picture OUT.svg -- make run CHECK=1

The command runs in a terminal of 80 columns, so colours and tables are drawn as people see them.
"""

import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 80
_CURSOR = re.compile(r"\x1b\[[0-9;?]*[A-HJKSTfhlsu]|\r(?!\n)")


def printed(command: list[str]) -> str:
    """What `command` prints to a terminal; cursor movements are left out.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    ours, its = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdout=its, stderr=its, stdin=subprocess.DEVNULL, env=environment) as process:
        os.close(its)
        text = b"".join(iter(lambda: _read(ours), b"")).decode(errors="replace")
    os.close(ours)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, text)
    return _CURSOR.sub("", text).replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux says so when the program at the other end has gone
        return b""


def picture(command: list[str], text: str) -> str:
    """The SVG of a terminal in which `command` printed `text`."""
    console = Console(width=COLUMNS, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the process
    console.print(f"[bold green]$[/] {shlex.join(command)}")
    console.print(Text.from_ansi(text.rstrip()))
    return console.export_svg(title="routerdc-triton")


def main() -> None:
    """Entry of `python -m tools.terminal_picture`."""
    out, _, *command = sys.argv[1:]
    Path(out).write_text(picture(command, printed(command)), encoding="utf-8")


if __name__ == "__main__":
    main()
