"""What load curves are drawn of: entrances of the service, each with what it needs started around it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from loadtest.open_loop.generator import Target
from loadtest.open_loop.targets import chat_target, grpc_target
from loadtest.requests import messages
from loadtest.servers import stack
from loadtest.servers.servers import Parts

_WORKERS = 2
# The kernel deals connections out to workers by a hash: of many, each gets about its share.
_CONNECTIONS = 16


class Entrance(NamedTuple):
    """Something that runs: how to connect to it, and its address where it is Triton."""

    connect: Callable[[], AbstractAsyncContextManager[Target]]
    triton_address: str | None = None


@dataclass(frozen=True, slots=True)
class CurveTarget:
    """A curve to be drawn. `message` makes a request of a query; `start` takes a folder and the model repository."""

    description: str
    message: Callable[[str], bytes]
    start: Callable[[Path, Path], AbstractContextManager[Entrance]]


@contextmanager
def _triton(folder: Path, repository: Path) -> Iterator[Entrance]:
    with Parts(folder).triton(repository) as triton:
        connect = partial(grpc_target, triton.address, messages.INFER, messages.infer_problem)
        yield Entrance(connect, triton.address)


@contextmanager
def _gateway(folder: Path, repository: Path, workers: int = 1, connections: int = 1) -> Iterator[Entrance]:
    parts = Parts(folder)
    # One request to Triton at a time, as deploy/local sets it: everything shares this machine's cores.
    with parts.triton(repository) as triton, parts.gateway(triton, workers=workers, triton_window=1) as gateway:
        yield Entrance(partial(grpc_target, gateway.address, messages.ROUTE, messages.route_problem, connections))


@contextmanager
def _envoy(folder: Path, repository: Path) -> Iterator[Entrance]:
    with stack.own(folder / "stack") as running:
        yield Entrance(partial(chat_target, running.openai_url))


TARGETS = {
    "triton": CurveTarget("Triton alone, KServe over gRPC, one row a request", messages.infer, _triton),
    "gateway": CurveTarget("gateway, Route", messages.route, _gateway),
    "gateway-workers": CurveTarget(
        f"gateway with {_WORKERS} workers, Route over {_CONNECTIONS} connections",
        messages.route,
        partial(_gateway, workers=_WORKERS, connections=_CONNECTIONS),
    ),
    "envoy": CurveTarget("chat completion through Envoy to demo endpoints", messages.chat, _envoy),
}
