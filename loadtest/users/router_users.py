"""Callers of the gateway's gRPC: one query a call, many at once, and a stream of them.

The answers say where the time went in the gateway; `timings` keeps that next to what the caller saw.
"""

import time
from collections.abc import Iterator
from queue import SimpleQueue

import grpc
from locust import task

from loadtest.requests import messages
from loadtest.users.grpc_user import GrpcUser
from loadtest.users.record import record
from loadtest.users.timings import TIMINGS
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc

ROUTE, ROUTE_BATCH, ROUTE_STREAM = "Route", "RouteBatch", "RouteStream"


class _RouterUser(GrpcUser):
    abstract = True

    def address(self) -> str:
        return self.settings.gateway_address

    def on_start(self) -> None:
        super().on_start()
        self.router = router_pb2_grpc.RouterStub(self.channel)
        key = self.settings.api_key
        self.metadata = () if key is None else (("authorization", f"Bearer {key.get_secret_value()}"),)


class RouteUser(_RouterUser):
    """One query a call."""

    weight = 6

    @task
    def route(self) -> None:
        """A call of Route."""
        request = pb.RouteRequest(query=self.next_query())
        answer = self.timed(
            ROUTE,
            lambda: self.router.Route(request, timeout=self.timeout_seconds, metadata=self.metadata),
            messages.decision_problem,
        )
        if answer:
            TIMINGS.add_stages(ROUTE, answer.timings)


class RouteBatchUser(_RouterUser):
    """Many queries a call."""

    @task
    def route_batch(self) -> None:
        """A call of RouteBatch; it failed if one of its queries did."""
        queries = (pb.RouteRequest(query=self.next_query()) for _ in range(self.settings.batch_queries))
        request, name = pb.RouteBatchRequest(requests=queries), f"{ROUTE_BATCH} ({self.settings.batch_queries})"
        timeout_seconds = self.settings.batch_deadline_ms / 1000
        answer = self.timed(
            name,
            lambda: self.router.RouteBatch(request, timeout=timeout_seconds, metadata=self.metadata),
            lambda answer: next(filter(None, map(messages.result_problem, answer.results)), ""),
        )
        for result in answer.results if answer else ():
            TIMINGS.add_stages(name, result.response.timings)


class RouteStreamUser(_RouterUser):
    """A stream with some queries always in flight; each is timed from when it was given to gRPC until its result."""

    @task
    def route_stream(self) -> None:
        """A stream from its first query to its last."""
        left, sent, requests = self.settings.stream_queries, dict[str, float](), SimpleQueue[pb.RouteRequest | None]()

        def send_next() -> None:
            nonlocal left
            if left:
                left -= 1
                sent[str(left)] = time.perf_counter()
                requests.put(pb.RouteRequest(query=self.next_query(), request_id=str(left)))
            elif not sent:
                requests.put(None)

        for _ in range(self.settings.stream_in_flight):
            send_next()
        try:
            for result in self.router.RouteStream(_until_none(requests), timeout=self._limit(), metadata=self.metadata):
                self._received(result, time.perf_counter() - sent.pop(result.request_id))
                send_next()
        except grpc.RpcError as error:
            self._lost(sent, error.code().name)
        else:
            self._lost(sent, "stream ended early")
        finally:
            requests.put(None)

    def _limit(self) -> float:
        """Seconds in which the stream ends even if each query takes its whole deadline."""
        rounds = self.settings.stream_queries / self.settings.stream_in_flight
        return self.timeout_seconds * (rounds + 1)

    def _received(self, result: pb.RouteResult, took_seconds: float) -> None:
        late = grpc.StatusCode.DEADLINE_EXCEEDED.name if took_seconds > self.timeout_seconds else ""
        problem = messages.result_problem(result) or late
        record(self.environment, "gRPC", ROUTE_STREAM, took_seconds, problem)
        if not problem:
            TIMINGS.add_stages(ROUTE_STREAM, result.response.timings)

    def _lost(self, sent: dict[str, float], code: str) -> None:
        """The stream ended: every query that is still in flight failed."""
        now = time.perf_counter()
        for began in sent.values():
            record(self.environment, "gRPC", ROUTE_STREAM, now - began, code)


def _until_none(requests: "SimpleQueue[pb.RouteRequest | None]") -> Iterator[pb.RouteRequest]:
    while (request := requests.get()) is not None:
        yield request
