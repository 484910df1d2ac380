"""docs/tutorial/first-router.md, run word for word against the stand-ins."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.processes.ports import claim
from labelling.benchmark.regained import regained

PAGE = Path(__file__).parents[3] / "docs" / "tutorial" / "first-router.md"
_PORTS = ("ENVOY_PORT", "GATEWAY_PORT")
_FRONT = ("CONSOLE_PORT", "GATEWAY_HTTP_PORT", "GATEWAY_METRICS_PORT")
_ANY = (*_FRONT, "TRITON_METRICS_PORT", "TRITON_GRPC_PORT", "TRITON_HTTP_PORT")


@pytest.mark.timeout(1800)
def test_the_page_makes_a_router_that_knows_who_is_good_at_what(tmp_path: Path) -> None:
    commands = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    script = "set -euo pipefail -m\n" + "".join(commands)
    bin_folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        **{name: str(claim(0, name, name)) for name in _PORTS},
        **dict.fromkeys(_ANY, "0"),
        "ROUTERDC_DEADLINE_MS": "20000",  # no query falls back for want of time on a busy machine
    }
    page = tmp_path / "page.log"  # a pipe would stay open as long as anything that the page started
    with page.open("w") as log:
        process = subprocess.Popen(
            ["bash", "-c", script], cwd=tmp_path, env=environment, start_new_session=True, stdout=log, stderr=log
        )
    try:
        process.wait(timeout=1700)
    finally:
        _end(process)
    output = page.read_text(encoding="utf-8", errors="replace")
    assert process.returncode == 0, output[-4000:] + _log(tmp_path / "serve.log")
    assert re.search(r"^calculator .*http://", output, re.MULTILINE), output[-4000:]  # who answers the sum
    answer, _ = json.JSONDecoder().raw_decode(output[output.index('{"id"') :])
    assert answer["model"] == "linguist"
    assert regained(tmp_path / "first-router" / "bundle")["regained"] >= 0.8


def _log(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.is_file() else ""


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends whatever the page left running when one of its commands failed."""
    for pid in _session(process.pid):
        os.kill(pid, signal.SIGTERM)


def _session(leader: int) -> list[int]:
    """Processes of the session that the page's shell leads; its jobs have process groups of their own."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and int(stat.parent.name) != leader:
            found.append(int(stat.parent.name))
    return found
