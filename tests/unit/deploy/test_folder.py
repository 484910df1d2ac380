import os
import stat
from pathlib import Path

import pytest

from deploy.local.folder import FolderError, folder_of_its_own


def test_a_second_service_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    with folder_of_its_own(tmp_path / "new") as folder:
        with pytest.raises(FolderError, match=rf"process {os.getpid()}\).*--folder"), folder_of_its_own(folder):
            pass
        with folder_of_its_own(tmp_path / "other"):
            pass
    with folder_of_its_own(folder):
        pass


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "x"
    with pytest.raises(FolderError, match=r"cannot be written to .*--folder"), folder_of_its_own(folder):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(FolderError, match="cannot be written to"), folder_of_its_own(tmp_path):
        pass
