"""Environments of competitors: torch is pinned, and what pip says is told."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from loadtest.side_by_side.environments import Environment, InstallError, _last_error, _torch_pin


def test_only_torch_is_pinned() -> None:
    assert _torch_pin("numpy==1\ntorch==2.13.0\ntorchvision==1\n") == "torch==2.13.0\n"


def test_reason_is_what_pip_calls_an_error() -> None:
    assert _last_error("WARNING: a\nERROR: No matching distribution\nhint: b") == "ERROR: No matching distribution"
    assert _last_error("") == "no output"


def test_what_cannot_be_installed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    with pytest.raises(InstallError, match="nothing"):
        Environment("nothing", (str(tmp_path / "no-such-file.whl"),)).python()


def wheel(folder: Path) -> Path:
    """The smallest there is, with the module `one`."""
    path, about = folder / "one-1.0-py3-none-any.whl", "one-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.py", "")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: one\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


def test_what_is_installed_is_not_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    one = Environment("one", (str(wheel(tmp_path)),))
    python = one.python()
    subprocess.run([python, "-c", "import one"], check=True)
    made = python.lstat().st_ctime_ns
    assert one.python().lstat().st_ctime_ns == made
