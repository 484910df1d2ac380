"""Follows a Containerfile's steps in a folder, without a container engine.

The folder stands for the image's root: COPY copies there, RUN and ENTRYPOINT run with every /opt/… of theirs put below
it. What the base image brings is this machine's: a Python of the same version. So it finds what is missing, wrong or
too much in the steps, and says nothing about the base image.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.containers.containerfile import Containerfile, Instruction, Stage

_OPT = "/opt/"
_BASE_LIBRARIES = "/usr/local/lib"  # of the image `python`, where libpython is
_BASE_PATH = "/usr/local/bin:/usr/bin:/bin"


class StepError(Exception):
    """A step failed; the message names it and has the end of its output."""


@dataclass
class Image:
    """What the steps made: a folder in place of the root, and how the image is started."""

    root: Path
    user: int | None
    """the image's user, where this process may become another; None: runs as this one"""
    environment: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        """The entrypoint with arguments, as this machine can run it."""
        program = shutil.which(self.entrypoint[0], path=self.environment["PATH"])
        if program is None:
            raise StepError(f"ENTRYPOINT {self.entrypoint[0]}: not on the image's PATH")
        return [program, *self.entrypoint[1:], *arguments]

    def size_bytes(self) -> int:
        """What the steps added to the base image; hard links and symbolic links count once."""
        files = {p.lstat().st_ino: p.lstat().st_size for p in self.root.rglob("*") if p.is_file() or p.is_symlink()}
        return sum(files.values())

    def has_package(self, name: str) -> bool:
        """Whether a Python package lies in the image's virtual environment."""
        return any(self.root.glob(f"opt/venv/lib/python*/site-packages/{name}"))


def follow(file: Containerfile, target: str | None, context: Path, root: Path, python: Path, user: int | None) -> Image:
    """Builds `target` (a stage; by default the last) of `file` below `root`, which is emptied first.

    Raises:
        StepError: a step failed.
    """
    shutil.rmtree(root, ignore_errors=True)
    *builders, final = file.needed(file.stage(target))
    for stage in builders:
        _Steps(root, context, python, user).run(stage)
    built = root.with_name(f"{root.name}-built")
    shutil.rmtree(built, ignore_errors=True)
    if builders:
        root.rename(built)
    return _Steps(root, context, python, user, built).run(final)


class _Steps:
    """One stage's."""

    def __init__(self, root: Path, context: Path, python: Path, user: int | None, built: Path | None = None) -> None:
        self._context, self._python, self._built = context, python, built
        self._image = Image(root, user, {"PATH": _BASE_PATH, "HOME": "/tmp", "LANG": "C.UTF-8"})  # noqa: S108
        self._folder = "/"
        where = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
        self._libraries = subprocess.run(
            [python, "-c", where], capture_output=True, text=True, check=True
        ).stdout.strip()
        root.mkdir(parents=True, exist_ok=True)

    def run(self, stage: Stage) -> Image:
        for instruction in stage.instructions:
            step = getattr(self, f"_{instruction.name.lower()}", None)
            if step is not None:
                step(instruction)
        return self._image

    def _env(self, instruction: Instruction) -> None:
        for name, value in instruction.pairs.items():
            path = value.replace("$PATH", self._image.environment["PATH"])
            self._image.environment[name] = self._moved(path)

    def _workdir(self, instruction: Instruction) -> None:
        self._folder = instruction.value
        if self._folder.startswith(_OPT):
            self._below(self._folder).mkdir(parents=True, exist_ok=True)

    def _copy(self, instruction: Instruction) -> None:
        *sources, target = instruction.words
        if sources[0].startswith("--from="):
            assert self._built is not None  # noqa: S101 - `follow` has made the other stage
            origin = self._built / sources[1].lstrip("/")
            shutil.copytree(origin, self._below(target), symlinks=True, copy_function=os.link, dirs_exist_ok=True)
            return
        folder = self._below(self._folder)
        for source in sources:
            origin = self._context / source
            if origin.is_dir():
                hidden = shutil.ignore_patterns("__pycache__", "*.egg-info")
                shutil.copytree(origin, folder / target, ignore=hidden, dirs_exist_ok=True)
            else:
                shutil.copy(origin, folder / target)

    def _run(self, instruction: Instruction) -> None:
        command = self._moved(instruction.value)
        if command.startswith("python "):
            command = f"{self._python} {command.removeprefix('python ')}"
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self._below(self._folder) if self._folder.startswith(_OPT) else self._image.root,
            env=self._image.environment | _proxies(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StepError(f"RUN {instruction.value}\n{(done.stdout + done.stderr)[-2000:]}")

    def _entrypoint(self, instruction: Instruction) -> None:
        self._image.entrypoint = instruction.words

    def _healthcheck(self, instruction: Instruction) -> None:
        if instruction.value != "NONE":
            self._image.health = Instruction("CMD", instruction.value.partition("CMD ")[2], instruction.line).words

    def _below(self, path: str) -> Path:
        return self._image.root / path.lstrip("/")

    def _moved(self, text: str) -> str:
        return text.replace(_BASE_LIBRARIES, self._libraries).replace(_OPT, f"{self._image.root}{_OPT}")


def _proxies() -> dict[str, str]:
    """How this machine reaches the package index."""
    names = (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "PIP_INDEX_URL",
        "PIP_CERT",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
    )
    return {name: os.environ[name] for wanted in names for name in (wanted, wanted.lower()) if name in os.environ}


def running(image: Image, arguments: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    """The entrypoint as a process with the image's environment and user; its output goes to `log`."""
    with log.open("wb") as output:
        return subprocess.Popen(
            image.command(*arguments),
            env=image.environment,
            cwd="/tmp",  # noqa: S108
            user=image.user,
            group=image.user,
            extra_groups=[] if image.user else None,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
