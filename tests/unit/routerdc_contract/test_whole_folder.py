"""A copied folder is whole, or not there."""

import errno
import shutil
from pathlib import Path

import pytest

from routerdc_contract.whole_folder import copy_folder


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    (folder := tmp_path / "origin" / "inner").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    for path in (folder / "a", folder / "b", folder / "__pycache__" / "c", folder.parent / "d"):
        path.write_text(path.name)
    return folder.parent


def test_everything_but_compiled_python_is_copied(origin: Path, tmp_path: Path) -> None:
    copy_folder(origin, copy := tmp_path / "copy")
    found = {str(path.relative_to(copy)): path.read_text() for path in copy.rglob("*") if path.is_file()}
    assert found == {"inner/a": "a", "inner/b": "b", "d": "d"}


def test_a_full_disk_ends_it_at_the_first_file_and_half_a_copy_goes(origin: Path, tmp_path: Path) -> None:
    tried = list[Path]()

    def full(source: Path, target: Path) -> None:
        tried.append(target)
        if len(tried) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        shutil.copyfile(source, target)

    with pytest.raises(OSError, match="No space left on device") as failed:
        copy_folder(origin, tmp_path / "copy", full)
    assert (failed.value.errno, failed.value.filename) == (errno.ENOSPC, str(tried[1]))
    assert len(tried) == 2
    assert not (tmp_path / "copy").exists()
