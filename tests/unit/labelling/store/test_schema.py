"""What is said of a store that cannot be opened: nobody deletes one for what the disk lacks."""

from pathlib import Path

import pytest

from labelling.errors import StoreError
from labelling.store.schema import connect


def test_what_the_disk_lacks_is_not_taken_for_another_file(tmp_path: Path) -> None:
    connect(tmp_path / "labels.db").close()
    (tmp_path / "labels.db-wal").mkdir()  # SQLite cannot write its log
    with pytest.raises(StoreError, match=r"labels\.db: cannot be used: .*: is the disk full"):
        connect(tmp_path / "labels.db")


def test_another_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("a letter " * 100)
    with pytest.raises(StoreError, match=r"letter\.db: not a store"):
        connect(tmp_path / "letter.db")
