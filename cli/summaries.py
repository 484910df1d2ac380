"""One line about each subcommand, read from its source, so that `routerdc --help` and completion import nothing.

To import all of them takes seconds (numpy, grpc and aiohttp among them), and some may not be installed.
"""

import ast
from functools import cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path


@cache
def summary(entry: EntryPoint) -> str:
    """The first sentence of the docstring of the function behind `entry`, without its full stop; else empty."""
    source = _source(entry.module)
    if source is None:
        return ""
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == entry.attr:
            paragraph = (ast.get_docstring(node) or "").partition("\n\n")[0]
            return " ".join(paragraph.split()).partition(". ")[0].removesuffix(".")
    return ""


def _source(module: str) -> Path | None:
    """The file of a module; None where there is none. Runs no code, not even that of the packages around it."""
    package, *rest = module.split(".")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(spec.submodule_search_locations[0], *rest).with_suffix(".py")
    return file if file.is_file() else None
