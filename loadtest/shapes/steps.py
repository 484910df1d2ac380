"""Steps: from few users to --users in --steps stairs of equal length, each long enough to read its figures."""

from locust import events
from locust.argument_parser import LocustArgumentParser

from loadtest.shapes.plan import PlannedShape


class Steps(PlannedShape):
    """One stair after the other."""

    def users_at(self, seconds: float) -> int:
        """--users times the stair's number over --steps."""
        steps = int(self.options.steps)
        stair = min(steps, int(seconds / self.run_seconds * steps) + 1)
        return round(self.users * stair / steps)


def _add_arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=5, env_var="LOADTEST_STEPS", help="stairs of the shape Steps")


events.init_command_line_parser.add_listener(_add_arguments)
