"""podman or docker, as far as the tests of the images need them."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support.rendered import VERSIONS

START_SECONDS = 180.0  # the machine may be busy


@cache
def engine() -> str | None:
    """The engine's command (CONTAINER_ENGINE, as for `make images`), or None where none answers."""
    command = os.environ.get("CONTAINER_ENGINE", "podman")
    if shutil.which(command) is None:
        return None
    return command if subprocess.run([command, "info"], capture_output=True, check=False).returncode == 0 else None


def call(*words: str, seconds: float = 120, check: bool = True) -> str:
    """Runs the engine; gives what it wrote.

    Raises:
        AssertionError: it failed; with what it said.
    """
    command = [str(engine()), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def inspect(image: str) -> dict[str, Any]:
    """What the engine knows of an image."""
    (found,) = json.loads(call("image", "inspect", image))
    return dict(found)


def image(name: str) -> str:
    """One of our images by its short name, with the tag of this version."""
    return f"routerdc-{name}:{VERSIONS['images']['tag']}"


@dataclass(frozen=True)
class Container:
    """One that runs, by its name."""

    name: str

    def running(self) -> bool:
        return call("inspect", "--format", "{{.State.Running}}", self.name).strip() == "true"

    def exit_code(self) -> int:
        return int(call("inspect", "--format", "{{.State.ExitCode}}", self.name))

    def log(self) -> str:
        done = subprocess.run([str(engine()), "logs", self.name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """A command inside it."""
        words = [str(engine()), "exec", self.name, *command]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)

    def wait_ready(self, *command: str) -> None:
        """Returns once `command` succeeds inside."""
        due = time.monotonic() + START_SECONDS
        while self.run(*command).returncode:
            assert self.running(), f"{self.name} ended with {self.exit_code()}\n{self.log()[-3000:]}"
            assert time.monotonic() < due, f"{self.name} is not ready\n{self.log()[-3000:]}"
            time.sleep(0.5)

    def wait(self) -> int:
        """Its exit status, once it ended by itself."""
        return int(call("wait", self.name, seconds=START_SECONDS))

    def stop(self) -> int:
        """SIGTERM and 30 s, as in Kubernetes; its exit status."""
        call("stop", "--time", "30", self.name)
        return self.exit_code()

    def remove(self) -> None:
        with suppress(AssertionError):
            call("rm", "--force", self.name)


def start(name: str, one_image: str, options: Sequence[str], arguments: Sequence[str]) -> Container:
    """Starts a container in the background."""
    call("run", "--detach", "--name", name, *options, one_image, *arguments)
    return Container(name)
