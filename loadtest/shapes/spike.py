"""Spike: --users, then --spike-factor times as many in the middle third, then --users again.

Says whether overload is refused quickly, and whether the service is as fast afterwards as it was before.
"""

from locust import events
from locust.argument_parser import LocustArgumentParser

from loadtest.shapes.plan import PlannedShape


class Spike(PlannedShape):
    """A third of the time each before, during and after the spike."""

    def users_at(self, seconds: float) -> int:
        """More in the middle."""
        in_spike = 1 / 3 <= seconds / self.run_seconds < 2 / 3
        return round(self.users * float(self.options.spike_factor)) if in_spike else self.users

    @property
    def spawn_rate(self) -> float:
        """All at once: that is what a spike is."""
        return self.users * float(self.options.spike_factor)


def _add_arguments(parser: LocustArgumentParser) -> None:
    help_ = "users in the spike, as a multiple of --users"
    parser.add_argument("--spike-factor", type=float, default=10, env_var="LOADTEST_SPIKE_FACTOR", help=help_)


events.init_command_line_parser.add_listener(_add_arguments)
