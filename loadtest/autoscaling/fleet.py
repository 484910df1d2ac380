"""Gateways and Tritons as they batch and queue, event by event.

A gateway gathers queries while it has `window` of them for each Triton in flight, and as many requests as there are
Tritons; it sends what it has, at most a full batch, to the Triton for which it has fewest (gateway/scoring/triton).
A Triton computes what waits, as many requests as fit into a batch, while the next ones queue. A query that is not
answered within the deadline gets the default LLM; so does, at once, one that has less time left than answers take by
now: the gateway's own rules (gateway/scoring/pacing.py). A request nobody waits for any more is not computed.
"""

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gateway.scoring.pacing import AnswerTime, has_room
from loadtest.autoscaling.prometheus import Counters
from loadtest.autoscaling.service_times import ServiceTimes


class Request(NamedTuple):
    """Queries that a gateway sent together."""

    gateway: int
    sent: float
    arrived: list[float]


@dataclass(eq=False)
class Pod:
    """One Triton."""

    queue: deque[Request] = field(default_factory=deque)
    batch: list[Request] | None = None
    """what is being computed"""
    under_way: Counter[int] = field(default_factory=Counter)
    """queries of each gateway"""


class Answer(NamedTuple):
    """How a query ended: `waited` from its arrival until it was computed (or given up), `took` until its answer."""

    arrived: float
    waited: float
    took: float
    routed: bool
    """False: the default LLM, because scores came too late or would have"""


class Fleet:
    """`gateways` gateways before the pods in `pods`."""

    def __init__(
        self,
        service: ServiceTimes,
        *,
        gateways: int,
        window: int,
        max_batch: int,
        deadline_seconds: float,
        answered: Callable[[Answer], None],
        seed: int = 0,
    ) -> None:
        self.pods: list[Pod] = []
        self._triton = Counters()
        self._asked = 0
        self._service = service
        self._window = window
        self._max_batch = max_batch
        self._deadline_seconds = deadline_seconds
        self._answered = answered
        self._pending: list[deque[float]] = [deque() for _ in range(gateways)]
        self._requests = [0] * gateways  # under way, and the queries in them
        self._queries = [0] * gateways
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._done: list[tuple[float, int, Pod]] = []  # a heap; the number settles ties
        self._batches = 0
        self._answer_times = [AnswerTime() for _ in range(gateways)]

    def add(self, pod: Pod) -> None:
        """A new Triton, which gets requests from now on."""
        self.pods.append(pod)

    def remove_newest(self) -> None:
        """One Triton less; it computes what it has."""
        self.pods.pop()

    @property
    def counters(self) -> Counters:
        """What a scrape of every pod sees now."""
        return replace(self._triton, asked=self._asked)

    @property
    def next_event(self) -> float:
        """When the next batch is done; infinite while nothing is computed."""
        return self._done[0][0] if self._done else float("inf")

    @property
    def waiting(self) -> int:
        """Queries that have no answer yet."""
        pods = {id(pod): pod for _, _, pod in self._done}.values()
        requests = [r for pod in pods for r in (*pod.queue, *(pod.batch or ()))]
        return sum(map(len, self._pending)) + sum(len(request.arrived) for request in requests)

    def arrive(self, now: float, gateway: int) -> None:
        """A query comes."""
        self._asked += 1
        self._pending[gateway].append(now)
        self._flush(now, gateway)

    def finish_next(self) -> None:
        """The next batch that is computed is done: its queries have their answers, the pod goes on."""
        now, _, pod = heapq.heappop(self._done)
        batch, pod.batch = pod.batch or [], None
        started = now - self._service.of(sum(len(request.arrived) for request in batch))
        for request in batch:
            self._answer_times[request.gateway].observe(now - request.sent)
            for arrived in request.arrived:
                self._end(arrived, started, now)
        self._count(batch, started)
        self._compute(pod, now)
        self._release(pod, now, batch)

    def _release(self, pod: Pod, now: float, requests: Sequence[Request]) -> None:
        for request in requests:
            self._requests[request.gateway] -= 1
            self._queries[request.gateway] -= len(request.arrived)
            pod.under_way[request.gateway] -= len(request.arrived)
        for request in requests:
            self._flush(now, request.gateway)

    def _end(self, arrived: float, started: float, now: float) -> None:
        if now - arrived > self._deadline_seconds:
            self._answered(Answer(arrived, self._deadline_seconds, self._deadline_seconds, routed=False))
        else:
            self._answered(Answer(arrived, started - arrived, now - arrived, routed=True))

    def _refuse(self, arrived: float, now: float) -> None:
        waited = min(now - arrived, self._deadline_seconds)
        self._answered(Answer(arrived, waited, waited, routed=False))

    def _count(self, batch: Sequence[Request], started: float) -> None:
        before = self._triton
        self._triton = Counters(
            before.queue_seconds + sum(started - request.sent for request in batch),
            before.requests + len(batch),
            before.computed + sum(len(request.arrived) for request in batch),
        )

    def _flush(self, now: float, gateway: int) -> None:
        pending = self._pending[gateway]
        while pending and self._has_room(gateway):
            self._refuse_hopeless(now, gateway)
            if not pending:
                return
            arrived = [pending.popleft() for _ in range(min(len(pending), self._max_batch))]
            self._requests[gateway] += 1
            self._queries[gateway] += len(arrived)
            pod = self._least_busy(gateway)
            pod.under_way[gateway] += len(arrived)
            pod.queue.append(Request(gateway, now, arrived))
            if pod.batch is None:
                self._compute(pod, now)

    def _has_room(self, gateway: int) -> bool:
        requests, queries = self._requests[gateway], self._queries[gateway]
        return has_room(batches=requests, queries=queries, scorers=len(self.pods), window=self._window)

    def _least_busy(self, gateway: int) -> Pod:
        return min(self.pods, key=lambda pod: (pod.under_way[gateway], self._random.random()))

    def _refuse_hopeless(self, now: float, gateway: int) -> None:
        pending = self._pending[gateway]
        hopeless = now + self._answer_times[gateway].seconds - self._deadline_seconds  # arrived before that
        if self._requests[gateway] == 0 and pending[-1] < hopeless:
            return
        while pending and pending[0] < hopeless:
            self._refuse(pending.popleft(), now)

    def _compute(self, pod: Pod, now: float) -> None:
        batch: list[Request] = []
        given_up: list[Request] = []
        rows = 0
        while pod.queue and rows + len(pod.queue[0].arrived) <= self._max_batch:
            request = pod.queue.popleft()
            if now - request.arrived[-1] > self._deadline_seconds:
                given_up.append(request)
            else:
                batch.append(request)
                rows += len(request.arrived)
        if batch:
            pod.batch = batch
            self._batches += 1
            heapq.heappush(self._done, (now + self._service.of(rows), self._batches, pod))
        for request in given_up:
            self._answer_times[request.gateway].observe_at_least(now - request.sent)
            for arrived in request.arrived:
                self._refuse(arrived, now)
        self._release(pod, now, given_up)
