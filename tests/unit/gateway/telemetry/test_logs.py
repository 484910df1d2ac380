from io import StringIO

import pytest
import structlog

from gateway.config.endpoints_file import Endpoint
from gateway.domain.decision import Candidate, Decision, Reason
from gateway.domain.query import RouteQuery
from gateway.telemetry.logs import Throttled, configure
from gateway.telemetry.observers import LogObserver


class Recorder:
    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []

    def warning(self, event: str, **fields: object) -> None:
        self.events.append(fields)


def test_a_flood_of_one_cause_is_one_line_and_other_causes_are_heard() -> None:
    log = Recorder()
    warn = Throttled(log, "fallback", interval_seconds=3600)
    for _ in range(100):
        warn("timeout", error="slow")
    warn("unavailable", error="gone")
    assert log.events == [
        {"cause": "timeout", "left_out": 0, "error": "slow"},
        {"cause": "unavailable", "left_out": 0, "error": "gone"},
    ]


def test_what_was_left_out_is_counted_in_the_next_line() -> None:
    log = Recorder()
    warn = Throttled(log, "fallback", interval_seconds=3600)
    for _ in range(3):
        warn("timeout")
    warn._due.clear()
    warn("timeout")
    assert [event["left_out"] for event in log.events] == [0, 2]


def test_a_log_that_cannot_be_written_loses_lines_and_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(StringIO):
        def write(self, text: str) -> int:
            lost.append(text)
            raise OSError(28, "No space left on device")

    lost: list[str] = []
    monkeypatch.setattr("sys.stderr", Full())
    configure("info")
    structlog.get_logger("test").info("an event")
    assert "an event" in lost[0]


@pytest.mark.parametrize(("level", "is_told"), [("debug", True), ("info", False)])
def test_a_decision_is_told_at_level_debug_only(monkeypatch: pytest.MonkeyPatch, level: str, is_told: bool) -> None:
    written = StringIO()
    monkeypatch.setattr("sys.stderr", written)
    configure(level)
    chosen = Candidate("alpha", Endpoint(address="http://host/v1", model="m"))
    LogObserver().decided(RouteQuery("q", (), None, 1, "an id"), Decision("an id", (chosen,), Reason.ROUTED))
    assert ("an id" in written.getvalue()) is is_told
    structlog.reset_defaults()
