import os
import sys
from pathlib import Path

import pytest

from deploy.local import triton_install
from deploy.local.triton_install import TritonInstall, UnsupportedPlatformError, find_triton


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


def test_a_missing_wheel_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_install, "_check_platform", lambda: None)
    monkeypatch.setattr(triton_install, "find_spec", lambda _name: None)
    with pytest.raises(UnsupportedPlatformError, match=r"pip install .*\[triton\]"):
        find_triton()


def test_links_can_be_made_twice(wheel: Path, tmp_path: Path) -> None:
    install: TritonInstall = find_triton()
    install.link_backends(tmp_path / "backends")
    first = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("backends/*"))
    install.link_backends(tmp_path / "backends")
    assert first == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("backends/*")) != []
