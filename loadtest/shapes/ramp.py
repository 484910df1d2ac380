"""Ramp: more and more users until more of them do not bring more answers, and says where that was.

Every --ramp-seconds the number of users grows by a quarter (by one at least). The service is saturated where the
answers a second have grown by less than --ramp-gain in two such steps one after the other, or at --users.
"""

import logging
import math
import time

from locust import events
from locust.argument_parser import LocustArgumentParser

from loadtest.shapes.plan import PlannedShape, Tick

_log = logging.getLogger(__name__)
_GROWTH = 1.25
_FLAT_STEPS = 2


class Saturation:
    """Watches answers a second from step to step. Plain numbers; no clock."""

    def __init__(self, gain: float) -> None:
        self._gain = gain
        self._flat = 0
        self.best_per_second = 0.0
        self.best_users = 0

    def reached(self, users: int, per_second: float) -> bool:
        """Whether this step was the last one that is needed."""
        grew = per_second > self.best_per_second * (1 + self._gain)
        self._flat = 0 if grew else self._flat + 1
        if grew:
            self.best_per_second, self.best_users = per_second, users
        return self._flat >= _FLAT_STEPS


class Ramp(PlannedShape):
    """Steps whose end is found, not set; --run-time ends it at the latest."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.step_users = 1
        self.step_started, self.step_answers = 0.0, 0
        self.saturation: Saturation | None = None

    def users_at(self, seconds: float) -> int:
        """Those of the present step."""
        return self.step_users

    @property
    def spawn_rate(self) -> float:
        """At once: a step is short."""
        return float(self.users)

    def tick(self) -> Tick:
        """Ends when it is saturated."""
        if self.saturation is None:
            self.saturation = Saturation(float(self.options.ramp_gain))
            self._begin(1)
        elif time.monotonic() - self.step_started >= float(self.options.ramp_seconds) and self._saturated():
            return None
        return super().tick()

    def _saturated(self) -> bool:
        assert self.saturation is not None  # noqa: S101 - tick made it
        per_second = (self._answers() - self.step_answers) / (time.monotonic() - self.step_started)
        _log.info("%d users: %.1f answers/s", self.step_users, per_second)
        if self.saturation.reached(self.step_users, per_second) or self.step_users >= self.users:
            best = self.saturation
            _log.info("saturated at about %d users, %.1f answers/s", best.best_users, best.best_per_second)
            return True
        self._begin(min(self.users, max(self.step_users + 1, math.ceil(self.step_users * _GROWTH))))
        return False

    def _begin(self, users: int) -> None:
        self.step_users = users
        self.step_started, self.step_answers = time.monotonic(), self._answers()

    def _answers(self) -> int:
        assert self.runner is not None  # noqa: S101 - locust sets it before it asks
        total = self.runner.stats.total
        return int(total.num_requests - total.num_failures)


def _add_arguments(parser: LocustArgumentParser) -> None:
    for name, default, what in (
        ("--ramp-seconds", 10.0, "length of a step of the shape Ramp"),
        ("--ramp-gain", 0.05, "growth of answers a second below which a step counts as flat"),
    ):
        variable = f"LOADTEST_{name.removeprefix('--').replace('-', '_').upper()}"
        parser.add_argument(name, type=float, default=default, env_var=variable, help=what)


events.init_command_line_parser.add_listener(_add_arguments)
