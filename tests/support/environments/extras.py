"""A Python environment that holds what an extra brings and nothing else, made of links to what is installed here.

What an extra brings is read from the metadata of the installed distributions, as pip reads it; nothing is downloaded.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
PROJECT = "routerdc-triton"


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Names of all distributions that `name[extras]` brings, without itself."""
    seen: set[tuple[str, frozenset[str]]] = set()
    open_ends = [(name, extras)]
    while open_ends:
        package, wanted = end = open_ends.pop()
        if end in seen:
            continue
        seen.add(end)
        for line in _requirements(package):
            requirement = Requirement(line)
            environments = [{"extra": extra} for extra in wanted | {""}]
            if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
                open_ends.append((requirement.name.lower(), frozenset(requirement.extras)))
    return {package for package, _ in seen} - {name}


def _requirements(package: str) -> list[str]:
    """Lines with markers; ours from pyproject.toml, which may have changed since it was installed."""
    if package != PROJECT:
        return distribution(package).requires or []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"].items()
    own: list[str] = project["dependencies"]
    return own + [
        f"{line}{' and' if ';' in line else ';'} extra == '{extra}'" for extra, lines in optional for line in lines
    ]


@cache
def _owners() -> dict[str, set[str]]:
    """Top-level name → the installed distributions that have files below it."""
    return {name: set(owners) for name, owners in packages_distributions().items()}


def link(site: Path, packages: Iterable[str]) -> None:
    """Links installed distributions into the folder `site`.

    A folder of its own is one link, with the bytecode in it; of a folder that several share (google/), each file.
    """
    own = {name for name, owners in _owners().items() if len(owners) == 1}
    for package in packages:
        try:
            installed = distribution(package)
        except PackageNotFoundError:
            raise AssertionError(f"{package} is not installed: make setup-dev") from None
        for file in installed.files or ():
            if ".." in file.parts or file.suffix in {".pth", ".pyc"}:
                continue
            linked = file.parents[-2] if len(file.parts) > 1 and file.parts[0] in own else file
            place = site / linked
            if not place.is_symlink():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(str(installed.locate_file(linked)))


class Environment:
    """The running interpreter with other packages: those of `extras` in the folder `site`, and the working tree."""

    def __init__(self, site: Path, extras: frozenset[str]) -> None:
        self._site = site
        link(site, {*closure(PROJECT, extras), PROJECT})

    def run(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `code` with `arguments` as its sys.argv[1:], without site packages (-S) and variables (-I)."""
        start = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(self._site)!r}]\n{code}"
        command = [sys.executable, "-I", "-S", "-c", start, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd="/")
