"""Each competitor in an environment of its own, made on first use from what its users would install."""

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(".cache/side_by_side")
_CONSTRAINTS = Path("constraints.txt")
_DONE = "installed.txt"
_TIMEOUT_SECONDS = 1800


class InstallError(Exception):
    """What could not be installed, and what pip said last."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Exact requirements, installed together with this project's pin of torch alone (a build for CPUs)."""

    name: str
    requirements: tuple[str, ...]

    def python(self) -> Path:
        """Its interpreter; installs what is missing.

        Raises:
            InstallError: pip failed, or took half an hour.
        """
        folder = (_FOLDER / self.name).absolute()
        python, done = folder / "bin" / "python", folder / _DONE
        if done.is_file() and done.read_text() == self._listed:
            return python
        venv.create(folder, clear=True)
        constraints = folder / "constraints.txt"
        constraints.write_text(_torch_pin(_CONSTRAINTS.read_text()))
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
        try:
            ended = subprocess.run(
                [*pip, "install", "--constraint", str(constraints), *self.requirements],
                capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise InstallError(f"{self.name}: pip took more than {_TIMEOUT_SECONDS} s") from None
        if ended.returncode:
            raise InstallError(f"{self.name}: {_last_error(ended.stderr)}")
        done.write_text(self._listed)
        return python

    @property
    def _listed(self) -> str:
        return "\n".join(self.requirements) + "\n"


def _torch_pin(constraints: str) -> str:
    return "".join(line + "\n" for line in constraints.splitlines() if line.startswith("torch=="))


def _last_error(output: str) -> str:
    lines = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines() or ["no output"]
    return lines[-1]


SENTENCE_TRANSFORMERS = Environment("sentence-transformers", ("sentence-transformers==6.2.0", "torch"))
SEMANTIC_ROUTER = Environment("semantic-router", ("semantic-router[local]==1.1.1", "torch"))
INFINITY = Environment("infinity-emb", ("infinity-emb[server,torch]==0.0.78", "torch"))
LITELLM = Environment("litellm", ("litellm[proxy]==1.106.2",))
