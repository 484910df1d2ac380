"""The load test: `locust -f loadtest/locustfile.py [RouteUser …]`; see docs/how-to/loadtest.md.

Without names all kinds of users run, RouteUser most often. Add a load shape with a second -f:
`-f loadtest/locustfile.py,loadtest/shapes/ramp.py`.
"""

import sys
from typing import Any

from grpc.experimental import gevent as grpc_gevent
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from loadtest.users import report, settings
from loadtest.users.openai_user import OpenAiUser
from loadtest.users.router_users import RouteBatchUser, RouteStreamUser, RouteUser
from loadtest.users.triton_user import TritonUser

__all__ = ["OpenAiUser", "RouteBatchUser", "RouteStreamUser", "RouteUser", "TritonUser"]


def _add_arguments(parser: LocustArgumentParser) -> None:
    settings.add_arguments(parser)


def _prepare(environment: Environment, **_: Any) -> None:
    """In each process, after locust has forked and before there are users."""
    grpc_gevent.init_gevent()
    report.attach(environment)
    try:
        settings.settings_of(environment)
    except settings.LoadSettingsError as error:
        sys.exit(f"error: {error}")


events.init_command_line_parser.add_listener(_add_arguments)
events.init.add_listener(_prepare)
