"""Who a caller is to Envoy does not hang on its address: loopback, private and public ones, of both IP versions."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.envoy.from_addresses import ADDRESSES

_ISOLATED = ["unshare", "--map-root-user", "--net"]


def _can_isolate() -> bool:
    if not (shutil.which("ip") and shutil.which("unshare")):
        return False
    return subprocess.run([*_ISOLATED, "true"], check=False, capture_output=True).returncode == 0


def test_nobody_steers_envoy_from_any_address(tmp_path: Path) -> None:
    if (
        not (shutil.which("ip") and shutil.which("unshare"))
        or subprocess.run([*_ISOLATED, "true"], check=False).returncode
    ):
        pytest.skip("this machine gives no network of one's own (unshare, ip), in which to have any address")
    command = [*_ISOLATED, sys.executable, "-m", "tests.e2e.envoy.from_addresses", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    unmoved = {"status": 200, "attempts": 1, "steered": [], "alien_stats": False}
    assert json.loads(done.stdout) == [{"from": address} | unmoved for address in ADDRESSES]
