"""The demo where paths and environment are awkward: a space and an accent in the folder, a proxy for the web."""

import os
import subprocess
from pathlib import Path

from deploy.local.stack import ROUTERDC
from tests.e2e.conftest import ANY_PORTS


def test_the_demo_runs_in_a_folder_with_a_space_and_an_accent_behind_a_proxy(tmp_path: Path) -> None:
    nowhere = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "grpc_proxy"), "http://127.0.0.1:1"
    )
    command = [str(ROUTERDC), "demo", "--check", f"--folder={tmp_path / 'un été' / 'démo'}"]
    command += ANY_PORTS
    done = subprocess.run(
        command, env={**os.environ, **nowhere}, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
