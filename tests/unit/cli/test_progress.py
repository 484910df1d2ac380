"""The line that shows a person that work goes on."""

import pytest

from cli.progress import working

TERMINAL = {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1", "TERM": "xterm", "COLUMNS": "80"}


def test_a_terminal_shows_what_goes_on_and_is_clean_afterwards(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in TERMINAL.items():
        monkeypatch.setenv(name, value)
    with working("reading [everything]"):
        pass
    output, errors = capsys.readouterr()
    assert output == ""
    assert "reading [everything]" in errors
    assert errors.rstrip().endswith("\x1b[2K")


def test_a_pipe_gets_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "0")
    with working("reading"):
        pass
    assert capsys.readouterr() == ("", "")
