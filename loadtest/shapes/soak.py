"""Soak: hours of load that comes and goes in waves between half of --users and all of them.

Waves open and close connections all the time, and let caches and queues fill and drain: what leaks, leaks then.
"""

import math

from locust import events
from locust.argument_parser import LocustArgumentParser

from loadtest.shapes.plan import PlannedShape


class Soak(PlannedShape):
    """Cosine waves."""

    def users_at(self, seconds: float) -> int:
        """Half of them at the start of each wave, all of them in its middle."""
        phase = 2 * math.pi * seconds / float(self.options.wave_seconds)
        return round(self.users * (0.75 - 0.25 * math.cos(phase)))


def _add_arguments(parser: LocustArgumentParser) -> None:
    help_ = "length of a wave of the shape Soak"
    parser.add_argument("--wave-seconds", type=float, default=300, env_var="LOADTEST_WAVE_SECONDS", help=help_)


events.init_command_line_parser.add_listener(_add_arguments)
