"""The services that benchmarks call: which method, which requests, and what is an answer."""

import itertools
from collections.abc import Callable, Iterator

from loadtest.closed_loop.closed_loop import Service, WrongAnswerError
from loadtest.requests import messages
from loadtest.requests.query_stream import Supply
from loadtest.servers.servers import Part
from routerdc_contract.v1 import router_pb2 as pb

_REPEATED = messages.route("What is the capital of France?")


def route(gateway: Part, queries: Supply, *others: Part) -> Service:
    """Queries that the gateway has never seen, one a call; the CPU time of `others` counts, too."""
    pids = tuple(part.pid for part in (gateway, *others))
    return Service(gateway.address, messages.ROUTE, _each(queries, messages.route), _refuse(_unrouted), pids)


def route_repeated(gateway: Part) -> Service:
    """The same query again and again, which the gateway has in its cache."""
    requests = itertools.repeat(_REPEATED)
    return Service(gateway.address, messages.ROUTE, requests, _refuse(messages.route_problem), (gateway.pid,))


def route_batch(gateway: Part, queries: Supply, size: int, *others: Part) -> Service:
    """RouteBatch with `size` queries."""
    requests = (messages.route_batch(queries.take(size)) for _ in itertools.count())
    pids = tuple(part.pid for part in (gateway, *others))
    return Service(gateway.address, messages.ROUTE_BATCH, requests, _refuse(_batch_problem), pids)


def infer(triton: Part, queries: Supply, rows: int = 1) -> Service:
    """Triton called directly, with `rows` queries a request."""
    requests = (messages.infer(*queries.take(rows)) for _ in itertools.count())
    return Service(triton.address, messages.INFER, requests, _refuse(messages.infer_problem), (triton.pid,))


def echo(server: Part, requests: Iterator[bytes]) -> Service:
    """A server whose answers mean nothing."""
    return Service(server.address, messages.ROUTE, requests, lambda _: None, (server.pid,))


def _each(queries: Supply, message: Callable[[str], bytes]) -> Iterator[bytes]:
    return (message(queries.take(1)[0]) for _ in itertools.count())


def _unrouted(answer: bytes) -> str:
    """A cached decision is none here: queries do not repeat."""
    reason = pb.RouteResponse.FromString(answer).reason
    return "" if reason == pb.REASON_ROUTED else pb.Reason.Name(reason)


def _batch_problem(answer: bytes) -> str:
    """The first row that was not routed."""
    for result in pb.RouteBatchResponse.FromString(answer).results:
        if result.HasField("error"):
            return str(result.error.message)
        if result.response.reason != pb.REASON_ROUTED:
            return str(pb.Reason.Name(result.response.reason))
    return ""


def _refuse(problem: Callable[[bytes], str]) -> Callable[[bytes], None]:
    def check(answer: bytes) -> None:
        if what := problem(answer):
            raise WrongAnswerError(what)

    return check
