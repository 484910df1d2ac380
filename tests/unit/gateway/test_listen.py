import json
from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.listen import Ports, write_ports


def test_ports_are_written_as_json(tmp_path: Path) -> None:
    write_ports(tmp_path / "ports.json", Ports(grpc=1, metrics=2))
    assert json.loads((tmp_path / "ports.json").read_text(encoding="utf-8")) == {"grpc": 1, "metrics": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["ports.json"]


def test_a_ports_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ports_file cannot be written"):
        write_ports(tmp_path / "missing" / "ports.json", Ports(1, 2))
