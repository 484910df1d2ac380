"""Wheels in pieces."""

from pathlib import Path

from loadtest.gpu.wheels import cut, joined


def test_what_was_cut_is_joined_again(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10
    for name in ("a-1-py3-none-any.whl", "b-2-py3-none-any.whl"):
        (tmp_path / name).write_bytes(name.encode() + content)
        cut(tmp_path / name, tmp_path, 1000)
    assert max(path.stat().st_size for path in tmp_path.glob("*.00*")) == 1000
    (tmp_path / "there").mkdir()
    wheels = list(joined(tmp_path, tmp_path / "there"))
    assert [wheel.name for wheel in wheels] == ["a-1-py3-none-any.whl", "b-2-py3-none-any.whl"]
    assert all(wheel.read_bytes() == wheel.name.encode() + content for wheel in wheels)
