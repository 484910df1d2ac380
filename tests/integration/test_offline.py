"""Nothing of ours makes a call that nobody asked for: in a network namespace without routes, with names watched."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

PROBE = Path(__file__).parents[1] / "support" / "environments" / "offline_probe.py"
MODEL_CODE = Path(__file__).parents[2] / "model_repository" / "routerdc" / "1"
UNSHARE = ["unshare", "--map-root-user", "--net", "--mount"]
WAIT_SECONDS = 10  # the first events leave after a few


def allowed() -> bool:
    try:
        tried = subprocess.run([*UNSHARE, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(
    not allowed(), reason="NETWORK NAMESPACES ARE NOT ALLOWED HERE: telemetry is not checked"
)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """An ONNX model that gives back what it gets."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    content = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", value[:1], value[1:])
    model = helper.make_model(content, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def outcome(code: str) -> dict[str, Any]:
    done = subprocess.run([*UNSHARE, sys.executable, PROBE, code], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def session(imports: str, graph: Path) -> str:
    create = f"onnxruntime.InferenceSession({str(graph)!r}, providers=['CPUExecutionProvider'])"
    return f"import time\n{imports}\nsession = {create}\ntime.sleep({WAIT_SECONDS})"


def test_the_probe_sees_a_look_up_and_a_file_in_the_home_folder() -> None:
    look_up = "import socket, contextlib\nwith contextlib.suppress(OSError): socket.getaddrinfo('telemetry.test', 443)"
    leave = "import pathlib\n(pathlib.Path.home() / 'device-id').write_text('1')"
    assert outcome(f"{look_up}\n{leave}") == {"asked": ["telemetry.test"], "home": ["device-id"]}


def test_onnx_runtime_as_it_comes_leaves_a_trace_which_ours_does_not(graph: Path) -> None:
    """Either trace will do: whether it looks a host up within the wait is its own affair."""
    found = outcome(session("import onnxruntime", graph))
    assert found["asked"] or found["home"]


@pytest.mark.parametrize(
    "imports",
    [
        f"import sys\nsys.path.insert(0, {str(MODEL_CODE)!r})\nfrom engines.onnxruntime_engine import onnxruntime",
        "import export\nimport onnxruntime",
    ],
    ids=["model", "export"],
)
def test_our_imports_leave_nothing_and_look_up_nothing(graph: Path, imports: str) -> None:
    assert outcome(session(imports, graph)) == {"asked": [], "home": []}
