import os
import sys
from pathlib import Path

import pytest

from deploy.local.triton import install as triton_install
from deploy.local.triton import wheel as triton_wheel
from deploy.local.triton.install import TritonInstall, UnsupportedPlatformError, find_triton


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the installed wheel, the first on the import path."""
    package = tmp_path / "pytriton"
    for file in (
        "__init__.py",
        "tritonserver/backends/python/libtriton_python.so",
        f"tritonserver/python_backend_stubs/{triton_install.PYTHON_VERSION}/{triton_install.STUB}",
    ):
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(triton_install, "_check_libpython", lambda: None)
    return package


def test_the_stub_is_linked_beside_the_backend_and_the_wheel_is_left_alone(wheel: Path, tmp_path: Path) -> None:
    before = sorted(wheel.rglob("*"))
    install = find_triton()
    install.link_backends(tmp_path / "backends")
    linked = {link.name: link.resolve() for link in (tmp_path / "backends/python").iterdir()}
    assert linked == {
        "libtriton_python.so": install.python_backend / "libtriton_python.so",
        triton_install.STUB: install.stub,
    }
    assert sorted(wheel.rglob("*")) == before


def test_server_and_stub_find_their_libraries_and_this_python(wheel: Path) -> None:
    environment = find_triton().environment()
    assert environment["LD_LIBRARY_PATH"].split(os.pathsep)[0] == str(wheel.parent / "nvidia_pytriton.libs")
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_another_platform_is_refused_with_a_way_out(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(UnsupportedPlatformError, match=r"not on linux aarch64.*container"):
        find_triton()


def test_a_python_without_stub_is_refused_with_the_ones_that_work(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_install, "PYTHON_VERSION", "3.99")
    with pytest.raises(UnsupportedPlatformError, match=r"no Triton stub for Python 3\.99: use one of 3\.1\d"):
        find_triton()


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither the wheel nor pip is importable, and the user's cache is empty; yields the cache's folder."""
    monkeypatch.setattr(triton_install, "_check_platform", lambda: None)
    monkeypatch.setattr(triton_install, "_check_libpython", lambda: None)
    monkeypatch.setattr(triton_wheel, "find_spec", lambda _name: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "routerdc-triton"


def uv_that(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program `uv` on PATH that runs `script` with the folder to install into as $target."""
    folder.mkdir()
    program = folder / "uv"
    program.write_text(f'#!/bin/sh\nwhile [ "$1" != --target ]; do shift; done; target=$2\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_missing_wheel_is_fetched_once(
    nothing_installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = f"$target/pytriton/tritonserver/python_backend_stubs/{triton_install.PYTHON_VERSION}"
    uv_that(f'mkdir -p "{stub}" && touch "{stub}/{triton_install.STUB}"', tmp_path / "bin", monkeypatch)
    first = find_triton()
    assert first.server.is_relative_to(nothing_installed)
    assert [folder.name for folder in nothing_installed.iterdir() if folder.name.startswith(".")] == []
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_triton() == first


def test_a_wheel_that_cannot_be_fetched_leaves_nothing_and_says_what_to_do(
    nothing_installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv_that('mkdir -p "$target/pytriton"; exit 1', tmp_path / "bin", monkeypatch)
    with pytest.raises(UnsupportedPlatformError, match=r"pip install --no-deps nvidia-pytriton==0\.7\.0.*container"):
        find_triton()
    assert list(nothing_installed.iterdir()) == []
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnsupportedPlatformError, match="neither pip nor uv"):
        find_triton()


def test_the_fetched_version_is_the_pinned_one() -> None:
    pins = (Path(__file__).parents[3] / "constraints.txt").read_text().splitlines()
    assert f"{triton_wheel.WHEEL}=={triton_wheel.VERSION}" in pins


def test_links_can_be_made_twice(wheel: Path, tmp_path: Path) -> None:
    install: TritonInstall = find_triton()
    install.link_backends(tmp_path / "backends")
    first = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("backends/*"))
    install.link_backends(tmp_path / "backends")
    assert first == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("backends/*")) != []
