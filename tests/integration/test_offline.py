"""Nothing of ours makes a call that nobody asked for: in a network namespace without routes, with names watched."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml
from onnx import TensorProto, helper

from tests.support.data.tiny import tiny_datasets, tiny_encoder, tiny_recipe, write_datasets

PROBE = Path(__file__).parents[1] / "support" / "environments" / "offline_probe.py"
MODEL_CODE = Path(__file__).parents[2] / "model_repository" / "routerdc" / "1"
UNSHARE = ["unshare", "--map-root-user", "--net", "--mount"]
WAIT_SECONDS = 10  # the first events leave after a few
ROOT = Path(__file__).parents[2]
FROM = f"import os, sys, time\nsys.path.insert(0, {str(ROOT)!r})\nos.chdir({{folder!r}})"
"""Code that finds the repository and works in a folder."""
NOTHING: dict[str, Any] = {"asked": [], "home": []}


def allowed() -> bool:
    try:
        tried = subprocess.run([*UNSHARE, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(
    not allowed(), reason="NETWORK NAMESPACES ARE NOT ALLOWED HERE: telemetry is not checked"
)


IMPORTS = {
    "as it comes": "import onnxruntime",
    "model": f"import sys\nsys.path.insert(0, {str(MODEL_CODE)!r})\nfrom engines.onnxruntime_engine import onnxruntime",
    "export": "import export\nimport onnxruntime",
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what trains and collects."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def outcomes(work: Path) -> dict[str, dict[str, Any]]:
    """What a session of ONNX Runtime did after each way to import it, a training and a collection.

    All wait at the same time.
    """
    graph = identity(work / "model.onnx")
    create = f"onnxruntime.InferenceSession({str(graph)!r}, providers=['CPUExecutionProvider'])"
    codes = {name: f"import time\n{imports}\nsession = {create}" for name, imports in IMPORTS.items()}
    codes |= {"training": training(work), "collecting": collecting(work)}
    with ThreadPoolExecutor() as pool:
        found = pool.map(outcome, [f"{code}\ntime.sleep({WAIT_SECONDS})" for code in codes.values()])
        return dict(zip(codes, found, strict=True))


COLLECT = """
import asyncio, pathlib, threading
from labelling.commands.collect import collect
from tests.support.fakes.standins import served

async def serve():
    async with served(pathlib.Path()):
        ready.set()
        await asyncio.Event().wait()

ready = threading.Event()
threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
ready.wait()
collect(["prompts.jsonl", "--endpoints", "endpoints.yaml", "--share", "0.5"], standalone_mode=False)
"""


def training(folder: Path) -> str:
    """Code that trains."""
    write_datasets(folder / "data", tiny_datasets(30))
    recipe = tiny_recipe(tiny_encoder(folder / "encoder"), optimizer={"steps": 5})
    (folder / "mine.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")), encoding="utf-8")
    arguments = ["data", "--recipe", "mine.yaml", "--out", "bundle", "--neighbours", "5"]
    command = f"from routerdc.training.command import train\ntrain({arguments}, standalone_mode=False)"
    return f"{FROM.format(folder=str(folder))}\n{command}"


def collecting(folder: Path) -> str:
    """Code that asks stand-ins."""
    prompts = [json.dumps({"prompt": f"What is {number} + {number}?"}) for number in range(8)]
    (folder / "prompts.jsonl").write_text("\n".join(prompts), encoding="utf-8")
    return f"{FROM.format(folder=str(folder))}\n{COLLECT}"


def identity(path: Path) -> Path:
    """An ONNX model that gives back what it gets."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    content = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", value[:1], value[1:])
    model = helper.make_model(content, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


def outcome(code: str) -> dict[str, Any]:
    done = subprocess.run([*UNSHARE, sys.executable, PROBE, code], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_probe_sees_a_look_up_and_a_file_in_the_home_folder() -> None:
    look_up = "import socket, contextlib\nwith contextlib.suppress(OSError): socket.getaddrinfo('telemetry.test', 443)"
    leave = "import pathlib\n(pathlib.Path.home() / 'device-id').write_text('1')"
    assert outcome(f"{look_up}\n{leave}") == {"asked": ["telemetry.test"], "home": ["device-id"]}


def test_onnx_runtime_as_it_comes_leaves_a_trace_which_ours_does_not(outcomes: dict[str, dict[str, Any]]) -> None:
    """Either trace will do: whether it looks a host up within the wait is its own affair."""
    assert outcomes["as it comes"]["asked"] or outcomes["as it comes"]["home"]


@pytest.mark.parametrize("imports", ["model", "export"])
def test_our_imports_leave_nothing_and_look_up_nothing(outcomes: dict[str, dict[str, Any]], imports: str) -> None:
    assert outcomes[imports] == NOTHING


def test_training_leaves_nothing_and_looks_up_nothing(outcomes: dict[str, dict[str, Any]], work: Path) -> None:
    assert outcomes["training"] == NOTHING
    assert (work / "bundle" / "manifest.json").is_file()


def test_collecting_asks_the_pool_and_nobody_else(outcomes: dict[str, dict[str, Any]], work: Path) -> None:
    assert outcomes["collecting"] == NOTHING
    assert (work / "labels.db").is_file()
