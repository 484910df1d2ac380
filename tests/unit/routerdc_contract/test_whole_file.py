import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from routerdc_contract.whole_file import whole_file, write_whole


def test_a_file_takes_its_place_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/one.json"
    with whole_file(path) as draft:
        draft.write_text("new")
        assert not path.exists()
        assert draft.suffix == ".json"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def break_off(path: Path, error: BaseException) -> None:
    with whole_file(path) as draft:
        draft.write_text("half")
        raise error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_what_fails_leaves_the_old_content_and_no_draft(tmp_path: Path, error: BaseException) -> None:
    (path := tmp_path / "one").write_text("old")
    with pytest.raises(type(error)) as raised:
        break_off(path, error)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])
    if isinstance(error, OSError):
        assert str(raised.value) == f"[Errno {errno.ENOSPC}] No space left on device: '{path}'"


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), whole_file(tmp_path / "one"):
        (tmp_path / "other").read_text()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/one'"):
        write_whole(tmp_path / "file/one", "new")


def test_a_private_file_is_private_even_where_a_draft_was_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "one"
    with whole_file(path, private=True) as draft:
        left_behind = draft
    left_behind.touch(0o644)
    with whole_file(path, private=True) as draft:
        assert stat.S_IMODE(draft.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_other_files_have_the_rights_that_the_umask_gives(tmp_path: Path) -> None:
    (plain := tmp_path / "plain").touch()
    write_whole(tmp_path / "one", "new")
    assert (tmp_path / "one").stat().st_mode == plain.stat().st_mode


def test_a_link_is_followed(tmp_path: Path) -> None:
    (link := tmp_path / "link").symlink_to(tmp_path / "real")
    write_whole(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "new")
    reader.join()
    assert read == ["new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
