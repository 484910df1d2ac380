"""A change of a live model repository is made whole, or not at all."""

import errno
import shutil
from pathlib import Path

import pytest

from export.publish import version
from export.publish.version import Change


def repository(folder: Path, name: str) -> Path:
    """One with the model `routerdc`, all of whose files say `name`."""
    model = folder / name / "routerdc"
    (model / "1").mkdir(parents=True)
    for file in ("config.pbtxt", "export.json", "1/router.json"):
        (model / file).write_text(name)
    return folder / name


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_change_puts_a_version_beside_the_old_one_and_takes_it_back(tmp_path: Path) -> None:
    live, source = repository(tmp_path, "old"), repository(tmp_path, "new")
    before = content(live)
    change = Change.plan(source, live)
    change.apply()
    assert content(live) == {
        "routerdc/config.pbtxt": "new",
        "routerdc/export.json": "new",
        "routerdc/1/router.json": "old",
        "routerdc/2/router.json": "new",
    }
    change.undo(tried=False)
    assert content(live) == before


@pytest.mark.parametrize("fits", [0, 1])
def test_a_full_disk_changes_nothing_and_needs_no_room_to_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: int
) -> None:
    live, source = repository(tmp_path, "old"), repository(tmp_path, "new")
    before, written, write = content(live), [], Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) > fits:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    change = Change.plan(source, live)
    with pytest.raises(OSError, match=r"No space left on device: '.*/routerdc/"):
        change.apply()
    change.undo(tried=False)
    assert content(live) == before


def test_half_of_a_version_takes_no_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live, source = repository(tmp_path, "old"), repository(tmp_path, "new")
    (source / "routerdc" / "1" / "weights").write_text("new")
    before, copied = content(live), list[Path]()

    def full(origin: Path, copy: Path) -> None:
        if copied:
            raise OSError(errno.ENOSPC, "No space left on device", str(copy))
        copied.append(copy)
        shutil.copyfile(origin, copy)

    monkeypatch.setattr(version, "link", full)
    change = Change.plan(source, live)
    with pytest.raises(OSError, match="No space left on device"):
        change.apply()
    assert content(live) == before
