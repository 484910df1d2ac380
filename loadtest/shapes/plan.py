"""What the shapes have in common: locust's own settings of how many users, how fast and how long."""

import time
from typing import Any

from locust import LoadTestShape

Tick = tuple[int, float] | None

_RUN_SECONDS = 120  # where --run-time does not say


class PlannedShape(LoadTestShape):
    """A shape whose number of users follows from the time alone; ends after --run-time."""

    abstract = True
    use_common_options = True

    def users_at(self, seconds: float) -> int:
        """How many users there are then."""
        raise NotImplementedError

    def tick(self) -> Tick:
        """What locust asks for once a second."""
        seconds = time.perf_counter() - self.start_time
        return (max(1, self.users_at(seconds)), self.spawn_rate) if seconds < self.run_seconds else None

    @property
    def options(self) -> Any:
        """The command line."""
        assert self.runner is not None  # noqa: S101 - locust sets it before it asks
        return self.runner.environment.parsed_options

    @property
    def users(self) -> int:
        """--users: the most there will be."""
        return int(self.options.num_users or 1)

    @property
    def spawn_rate(self) -> float:
        """--spawn-rate: users started or stopped a second."""
        return float(self.options.spawn_rate or 1)

    @property
    def run_seconds(self) -> float:
        """--run-time."""
        return float(self.options.run_time or _RUN_SECONDS)
