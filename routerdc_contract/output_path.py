"""Where a command writes its result: checked when the command is called, not after an hour's work."""

import os
from pathlib import Path
from typing import Any

import click


class OutputPath(click.Path):
    """A `click.Path` that has to be writable, or creatable where it does not exist yet."""

    def __init__(self, *, file_okay: bool = True, dir_okay: bool = True) -> None:
        """`file_okay`, `dir_okay`: what it may be, as in `click.Path`."""
        super().__init__(file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType.convert`; fails where nothing can be written there."""
        path = Path(str(super().convert(value, param, ctx)))
        existing = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
        inside = existing != path.absolute()
        if inside and not existing.is_dir():
            self.fail(f"{path} cannot be made: {existing} is no folder", param, ctx)
        if not os.access(existing, os.W_OK | (os.X_OK if existing.is_dir() else 0)):
            self.fail(f"{path} cannot be written: {existing} is read-only or another user's", param, ctx)
        return path
