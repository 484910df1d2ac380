"""What users of gRPC have in common: a connection each, a deadline for each call, failures by status code.

gRPC's sync stubs block in C; `grpc.experimental.gevent.init_gevent` lets them yield to other users of the process
instead. It must be called after locust has patched the standard library, in the process that calls (not before locust
forks), and before there is a channel: locustfile.py does so when a test environment is made.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import grpc
from locust import User
from locust.env import Environment

from loadtest.users import pace
from loadtest.users.record import record
from loadtest.users.settings import LoadSettings, query_mix, settings_of

T = TypeVar("T")

# Without its own pool, a channel would share the connection of those with the same options.
_CHANNEL_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))


class GrpcUser(User):
    """A caller with a connection of its own."""

    abstract = True
    wait_time = pace.wait_time
    channel: grpc.Channel

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.settings: LoadSettings = settings_of(environment)
        self.next_query = query_mix(self.settings).next
        self.timeout_seconds = self.settings.deadline_ms / 1000

    def address(self) -> str:
        """host:port to connect to."""
        raise NotImplementedError

    def on_start(self) -> None:
        """Makes the channel; it connects at the first call."""
        if self.settings.ca_file is None:
            self.channel = grpc.insecure_channel(self.address(), _CHANNEL_OPTIONS)
        else:
            credentials = grpc.ssl_channel_credentials(self.settings.ca_file.read_bytes())
            self.channel = grpc.secure_channel(self.address(), credentials, _CHANNEL_OPTIONS)

    def on_stop(self) -> None:
        """Closes it."""
        self.channel.close()

    def timed(self, name: str, call: Callable[[], T], problem: Callable[[T], str]) -> T | None:
        """Calls, and tells locust how long it took and how it ended; None where it failed.

        `problem` says why an answer is none: a default instead of a decision, for example.
        """
        started = time.perf_counter()
        try:
            answer = call()
        except grpc.RpcError as error:
            record(self.environment, "gRPC", name, time.perf_counter() - started, error.code().name)
            return None
        took_seconds = time.perf_counter() - started
        why = problem(answer)
        record(self.environment, "gRPC", name, took_seconds, why)
        return None if why else answer
