"""Steady open-loop load: calls leave when they are due, whatever became of those before.

    async with Load(address, per_second=100) as load:
        ...                      # break something
    load.calls                   # everything that was asked, with its outcome

Queries are all different, so that no cache answers. Does not know faults or invariants.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from grpc import aio

from export.parity.samples import sample_queries
from loadtest.open_loop.generator import without_collections
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc

DECISIONS = frozenset({"ROUTED", "CACHED", "FALLBACK", "ONLY_ONE", "ABSTAINED", "STICKY"})
REAL = frozenset({"ROUTED", "CACHED"})
_QUERIES = [query for query in sample_queries() if len(query) < 500]
_numbers = itertools.count()

Ask = Callable[[str], Awaitable[str]]
"""Asks one query; what came of it: the name of a reason, or of a status."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when it left (`time.monotonic()`), how long its caller waited, what came of it."""

    sent: float
    waited_ms: float
    outcome: str

    @property
    def decided(self) -> bool:
        """A decision came, real or marked as a fallback."""
        return self.outcome in DECISIONS


def unique_query() -> str:
    """A query of the project's own samples that nobody has asked before."""
    n = next(_numbers)
    return f"{_QUERIES[n % len(_QUERIES)]} ({n})"


def routing(channel: aio.Channel, deadline_ms: float) -> Ask:
    """Asks by unary Route, without retries unless the channel has them."""
    stub: Any = router_pb2_grpc.RouterStub(channel)

    async def ask(query: str) -> str:
        try:
            answer = await stub.Route(pb.RouteRequest(query=query), timeout=deadline_ms / 1000)
        except aio.AioRpcError as error:
            return error.code().name
        if answer is None:  # grpc's client, where the deadline passes between the status and the message
            return grpc.StatusCode.DEADLINE_EXCEEDED.name
        return pb.Reason.Name(answer.reason).removeprefix("REASON_")

    return ask


class Load:
    """Asks `per_second` times a second while the block runs; its end waits for what is in flight."""

    def __init__(self, ask: Ask, per_second: float) -> None:
        self.calls: list[Call] = []
        self._ask = ask
        self._pause_seconds = 1 / per_second
        self._in_flight: set[asyncio.Task[None]] = set()
        self._sender: asyncio.Task[None] | None = None
        self._undisturbed = ExitStack()

    async def __aenter__(self) -> Self:
        self._undisturbed.enter_context(without_collections())
        self._sender = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Asks no more; what is in flight ends by itself."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait([self._sender])
        await asyncio.gather(*self._in_flight)
        self._undisturbed.close()

    def between(self, begin: float, end: float) -> list[Call]:
        """The calls that left in that time."""
        return [call for call in self.calls if begin <= call.sent < end]

    async def _send(self) -> None:
        due = time.monotonic()
        while True:
            task = asyncio.create_task(self._one())
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)
            due += self._pause_seconds
            await asyncio.sleep(due - time.monotonic())

    async def _one(self) -> None:
        sent = time.monotonic()
        outcome = await self._ask(unique_query())
        self.calls.append(Call(sent, (time.monotonic() - sent) * 1000, outcome))


def outcomes(calls: list[Call]) -> dict[str, int]:
    """How often each outcome was."""
    return dict(Counter(call.outcome for call in calls))


def percentile_ms(calls: list[Call], share: float) -> float:
    """The wait that `share` of the calls did not exceed; 0 without calls."""
    waits = sorted(call.waited_ms for call in calls)
    return waits[min(len(waits) - 1, int(share * len(waits)))] if waits else 0.0


def channel(address: str, *options: tuple[str, Any]) -> aio.Channel:
    """Without grpc's transparent retries, so that every failure is seen; reconnects at once."""
    reconnect = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
    return aio.insecure_channel(address, options=[("grpc.enable_retries", 0), *reconnect, *options])


def is_refusal(call: Call) -> bool:
    """Refused before any work."""
    return call.outcome == grpc.StatusCode.RESOURCE_EXHAUSTED.name
