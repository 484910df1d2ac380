"""The built wheel alone, in an environment without the working tree: nothing generic is installed, and it serves.

What it requires is linked from where the tests run; `make release` lets pip install all of it.
"""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import ANY_PORTS
from tests.support.environments.extras import PROJECT, closure, link

ROOT = Path(__file__).parents[3]
SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    return next(folder.glob("routerdc_triton-*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs of an environment that has `routerdc-triton[run]` from the wheel, and pip."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    link(folder / SITE, {*closure(PROJECT, frozenset({"run"})), "pip"})
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", folder / "bin/python"]
    run(*pip, "install", "--quiet", "--disable-pip-version-check", "--no-deps", wheel)
    return folder / "bin"


def test_a_wheel_installs_three_names_and_brings_bundle_and_model(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "routerdc_triton",
        "routerdc_client",
        "routerdc_contract",
    }
    packages = "routerdc_triton/packages"
    for bundle in ("default", "reasoning"):
        assert f"{packages}/bundles/{bundle}/engine/encoder.onnx" in names
        assert f"{packages}/bundles/{bundle}/graph/encoder.onnx" in names
    assert f"{packages}/model_repository/routerdc/1/model.py" in names
    assert f"{packages}/model_repository/routerdc/config.pbtxt" in names
    assert [name for name in names if "__pycache__" in name or "/tests/" in name] == []


def test_an_application_sees_only_the_public_names(environment: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.util as u, routerdc_client, routerdc_contract.bundle\n"
        "private = 'gateway export deploy client cli tools loadtest routerdc labelling tests'.split()\n"
        "print([name for name in private if u.find_spec(name)], routerdc_client.RouterClient.__name__)"
    )
    assert run(environment / "python", "-I", "-c", code, cwd=tmp_path) == "[] RouterClient\n"


@pytest.mark.timeout(900)
def test_demo_routes_real_queries_from_any_folder(environment: Path, tmp_path: Path) -> None:
    cache = str(ROOT / ".cache/wheel-environment/user-cache")  # tritonserver is fetched into it
    (tmp_path / "gateway.py").write_text("raise SystemExit('a file of the user, which must not be imported')")
    output = run(environment / "routerdc", "demo", "--check", *ANY_PORTS, cwd=tmp_path, XDG_CACHE_HOME=cache)
    assert output.count("127.0.0.1:") >= 7
