"""How users pause: calls come in bursts, and pauses between bursts are exponentially distributed."""

import random
from typing import Protocol

from loadtest.users.settings import LoadSettings


def pause_seconds(settings: LoadSettings) -> float:
    """Before the next call. Numbers of calls in a burst are geometrically distributed."""
    if settings.think_seconds == 0 or random.random() >= 1 / settings.burst_calls:  # noqa: S311 - a load, no secret
        return 0.0
    return random.expovariate(1 / settings.think_seconds)


class Paced(Protocol):
    """A user that has its settings."""

    settings: LoadSettings


def wait_time(user: Paced) -> float:
    """What locust asks each user for."""
    return pause_seconds(user.settings)
