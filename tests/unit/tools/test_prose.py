from pathlib import Path

import pytest

from tools.prose import flaws


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("page.md", "# Title\n\nPorts are for whoever asks.\n", [3]),
        ("page.md", "```\nwhoever reads code\n```\n\nSee `whoever` and [it](whoever.md).\n", []),
        ("module.py", '"""Fills the folder anew."""\n\n# whoever: a comment\nx = "whoever"\n', [1]),
        ("module.py", 'def f() -> None:\n    """Does it.\n\n    Queries are under way.\n    """\n', [4]),
        ("wire.proto", 'syntax = "proto3";\n// The pool as it is now.\n', [2]),
    ],
)
def test_riddles_are_found_where_people_read(tmp_path: Path, name: str, text: str, lines: list[int]) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    assert [flaw.line for flaw in flaws(file)] == lines
