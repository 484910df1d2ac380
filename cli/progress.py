"""What goes on while a command works: on a terminal, one line on standard error with the time since it began."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def working(on: str) -> Iterator[None]:
    """Shows `on` until the block ends; nothing where standard error is no terminal.

    For work without a count. Loops that have one show a bar of tqdm, outside of such a block: both write to one line.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as line:
        line.add_task(on, total=None)
        yield
