"""The real Envoy, asked whether it would take a configuration."""

import subprocess
from importlib import resources
from pathlib import Path


def validate(config: Path) -> None:
    """Has the real Envoy read `config`."""
    envoy = str(resources.files("envoy") / "_bin" / "envoy")
    flags = ["--mode", "validate", "--log-level", "error", "--disable-hot-restart"]
    command = [envoy, *flags, "--config-path", str(config)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"LARGE_KEY": "x"}, check=False)
    assert checked.returncode == 0, checked.stderr
