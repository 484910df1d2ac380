"""Files that belong together are all there, or none of them is."""

import errno
from pathlib import Path

import pytest

from routerdc.whole_files import files_of


def fill(folder: Path, text: str, *, fails: bool = False) -> None:
    with files_of(folder, last="b") as draft:
        for name in ("b", "a", "c"):
            (draft / name).write_text(text)
        if fails:
            raise OSError(errno.ENOSPC, "No space left on device")


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_all_of_them_replace_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("stays")
    fill(tmp_path, "old")
    fill(tmp_path, "new")
    assert content(tmp_path) == {"a": "new", "b": "new", "c": "new", "other": "stays"}


def test_on_a_full_disk_what_was_there_stays_and_the_error_says_where(tmp_path: Path) -> None:
    fill(tmp_path / "folder", "old")
    with pytest.raises(OSError, match="No space left on device") as failure:
        fill(tmp_path / "folder", "new", fails=True)
    assert failure.value.filename == str(tmp_path / "folder")
    assert content(tmp_path / "folder") == {"a": "old", "b": "old", "c": "old"}


def test_on_a_full_disk_no_new_folder_is_left(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        fill(tmp_path / "folder", "new", fails=True)
    assert list(tmp_path.iterdir()) == []


def test_the_file_that_names_the_others_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    monkeypatch.setattr(Path, "replace", lambda _, to: moved.append(to.name))
    fill(tmp_path, "new")
    assert (sorted(moved), moved[-1]) == (["a", "b", "c"], "b")
