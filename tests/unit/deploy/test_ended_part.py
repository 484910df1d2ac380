"""A part that ended is started again, later and later where that does not last."""

from pathlib import Path

import pytest

from deploy.local.ended_part import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, STEADY_SECONDS, EndedPart
from deploy.local.processes.process import ProcessError


class Part:
    """In place of a process."""

    name = "tritonserver"

    def __init__(self) -> None:
        self.started, self.running, self.fails = True, True, False
        self.starts = self.kept = 0

    @property
    def ended(self) -> bool:
        return self.started and not self.running

    def start(self) -> None:
        self.starts += 1
        if self.fails:
            self.started = False
            raise ProcessError("it was not ready")
        self.started = self.running = True

    def keep_log(self) -> Path:
        self.kept += 1
        return Path("part.ended.log")


class Case:
    def __init__(self) -> None:
        self.part, self.now = Part(), 1000.0
        self.keeper = EndedPart(self.part, "the default LLMs answer", clock=lambda: self.now)

    def ends(self) -> None:
        self.part.running = False
        self.keeper.look()

    def seconds_to_start(self) -> float:
        """How long it is not started from now on."""
        begun, starts = self.now, self.part.starts
        while self.part.starts == starts:
            self.now += 0.5
            self.keeper.look()
        return self.now - begun


@pytest.fixture
def case() -> Case:
    return Case()


def test_one_that_runs_or_was_never_started_is_left_alone(case: Case) -> None:
    case.keeper.look()
    case.part.started = case.part.running = False
    case.keeper.look()
    case.now += 3600
    case.keeper.look()
    assert (case.part.starts, case.part.kept) == (0, 0)


def test_it_is_started_soon_and_its_log_is_kept(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.ends()
    assert case.seconds_to_start() == FIRST_WAIT_SECONDS
    assert case.part.kept == 1
    told = capsys.readouterr().err
    assert "tritonserver ended by itself: the default LLMs answer until it is back; its log: part.ended.log" in told
    assert "tritonserver is back" in told


def test_starts_that_do_not_last_come_later_and_later(case: Case) -> None:
    waits = []
    for _ in range(8):
        case.ends()
        waits.append(case.seconds_to_start())
    assert waits == [min(FIRST_WAIT_SECONDS * 2**i, LONGEST_WAIT_SECONDS) for i in range(8)]
    case.now += STEADY_SECONDS + 1
    case.ends()
    assert case.seconds_to_start() == FIRST_WAIT_SECONDS


def test_one_that_does_not_come_back_is_tried_again(case: Case) -> None:
    case.part.fails = True
    case.ends()
    assert case.seconds_to_start() == FIRST_WAIT_SECONDS
    case.part.fails = False
    assert case.seconds_to_start() == 2 * FIRST_WAIT_SECONDS
    assert case.part.running
