"""Containers have a read-only root file system: what the manifests start writes to /tmp and /dev/shm alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.rendered import ROOT, needs_kubectl

# A mount namespace of its own, in which everything but two empty tmpfs is read-only.
SCRIPT = """
set -euo pipefail
mount --bind / /
mount -o remount,ro,bind /
mount -t tmpfs -o size=2g tmpfs /tmp
mount -t tmpfs -o size=256m tmpfs /dev/shm
! touch "$2/written" 2> /dev/null
exec "$1" -m pytest -q -p no:cacheprovider --rootdir "$2" "$2/tests/e2e/operations/test_manifests_run.py" -k routed
"""


def may_mount() -> bool:
    try:
        done = subprocess.run(["unshare", "--mount", "mount", "--bind", "/", "/"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


@needs_kubectl
@pytest.mark.skipif(not may_mount(), reason="this user may not mount; root in a container may")
@pytest.mark.skipif(Path("/tmp") in Path(sys.executable).parents, reason="Python itself lies in /tmp")
def test_a_query_is_routed_where_only_tmp_and_shared_memory_can_be_written() -> None:
    command = ["unshare", "--mount", "bash", "-c", SCRIPT, "bash", sys.executable, str(ROOT)]
    environment = os.environ | {"HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
