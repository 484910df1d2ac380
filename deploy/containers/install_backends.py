"""Lays the embedded Triton's Python backend out as tritonserver looks for it by itself. Runs while an image is built.

    python -m deploy.containers.install_backends /opt/tritonserver/backends /opt/venv/bin

The first folder gets the backends, the second the command `tritonserver`.
"""

import sys
from pathlib import Path

from deploy.local.triton.install import find_triton


def install(backends: Path, commands: Path) -> None:
    """Links, so that the wheel's files are in the image once."""
    triton = find_triton()
    triton.link_backends(backends)
    (commands / "tritonserver").symlink_to(triton.server)


if __name__ == "__main__":
    install(*map(Path, sys.argv[1:]))
