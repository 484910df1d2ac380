"""Which Python `make` takes: the newest that works, or the one that was asked for; else it says what to do."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tools/find_python.sh"
RUNNING = Path(sys.executable).resolve()


def find(*arguments: str, path: str = "/usr/bin:/bin", **environment: str) -> subprocess.CompletedProcess[str]:
    alone = {"PATH": path, "HOME": "/nowhere", "PYENV_ROOT": "/nowhere", "UV_PYTHON_INSTALL_DIR": "/nowhere"}
    return subprocess.run(
        ["sh", SCRIPT, *arguments], env=alone | environment, capture_output=True, text=True, check=False
    )


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return folder


def test_a_name_on_path_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "shims", "python3.13", "echo 'command not found' >&2; exit 127")
    program(tmp_path / "bin", RUNNING.name, f'exec {RUNNING} "$@"')
    found = find(path=f"{tmp_path}/shims:{tmp_path}/bin:/usr/bin:/bin")
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()).is_file()
    assert "shims" not in found.stdout
    assert f"Python: {found.stdout.strip()} (choose another with PYTHON=" in found.stderr


def test_the_newest_wins_and_one_with_its_shared_library_before_one_without(tmp_path: Path) -> None:
    for version, shared in (("3.11", 1), ("3.12", 1), ("3.13", 0)):
        made = f"/made/python{version}"
        program(tmp_path, f"python{version}", f"echo {shared} {version} {made}")
    assert find(path=f"{tmp_path}:/usr/bin:/bin").stdout.split() == ["/made/python3.12"]
    assert find("3.13", path=f"{tmp_path}:/usr/bin:/bin").stdout.split() == ["/made/python3.13"]


def test_one_for_which_a_wheel_of_torch_is_at_hand_comes_first(tmp_path: Path) -> None:
    for version in ("3.11", "3.13"):
        program(tmp_path / "bin", f"python{version}", f"echo 1 {version}.07 /made/python{version}")
    path = f"{tmp_path}/bin:/usr/bin:/bin"
    assert find(path=path, PIP_FIND_LINKS=str(tmp_path)).stdout.split() == ["/made/python3.13"]
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    assert find(path=path, PIP_FIND_LINKS=f"/nowhere {tmp_path}").stdout.split() == ["/made/python3.11"]
    assert find("3.13", path=path, PIP_FIND_LINKS=str(tmp_path)).stdout.split() == ["/made/python3.13"]


def test_pythons_of_pyenv_are_found_although_they_are_not_on_path(tmp_path: Path) -> None:
    program(tmp_path / "versions/3.13.9/bin", "python3.13", "echo 1 9.99 /made/by/pyenv")
    assert find(PYENV_ROOT=str(tmp_path)).stdout.strip() == "/made/by/pyenv"


def test_a_python_that_does_not_work_is_refused_with_the_cure(tmp_path: Path) -> None:
    program(tmp_path, "python3.9", "exit 1")
    refused = find(str(tmp_path / "python3.9"))
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "Python 3.13 3.12 3.11" in refused.stderr
    assert "python3-venv" in refused.stderr


@pytest.mark.parametrize("file", ["tools/find_python.sh", "tools/check_pythons.sh"])
def test_the_versions_are_those_of_pyproject(file: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    supported = {f"3.{minor}" for minor in range(30) if f"3.{minor}" in SpecifierSet(project["requires-python"])}
    named = {word.rpartition(" ")[2] for word in project["classifiers"] if "Python :: 3." in word}
    text = (ROOT / file).read_text()
    assert supported == named == {version for version in supported | {"3.10", "3.14"} if version in text}
    assert os.access(ROOT / file, os.X_OK)
