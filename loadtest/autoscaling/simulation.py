"""The autoscaler against traffic: gateways and Tritons, Prometheus, HPA and pods that take their time to start."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtest.autoscaling.fleet import Answer, Fleet, Pod
from loadtest.autoscaling.hpa import SYNC_SECONDS, Autoscaler, Behavior, desired_for_average, desired_for_value
from loadtest.autoscaling.prometheus import Prometheus
from loadtest.autoscaling.service_times import ServiceTimes


@dataclass(frozen=True)
class Plan:
    """What an operator sets. A trigger that is None is not there; of several the one that wants most pods counts."""

    min_replicas: int
    max_replicas: int
    queue_seconds_per_request: float | None = None
    """target of Triton's queue time per request (type Value)"""
    asked_per_second_per_pod: float | None = None
    """target of queries a second that need scores, for each pod (type AverageValue)"""
    computed_per_second_per_pod: float | None = None
    """the same of queries that Triton computes"""
    behavior: Behavior = field(default_factory=Behavior)
    window_seconds: float = 30.0
    """of PromQL's rate()"""
    scrape_seconds: float = 5.0


@dataclass(frozen=True)
class Setting:
    """What the plan meets."""

    service: ServiceTimes
    start_seconds: float
    """from the autoscaler's word until a new pod gets requests"""
    gateways: int = 2
    window: int = 8
    """the gateway's triton_window"""
    max_batch: int = 64
    """queries in one request of a gateway, and in one batch of Triton"""
    deadline_seconds: float = 0.2


@dataclass
class Second:
    """What happened to the queries that came in one second, and the pods then."""

    pods: int = 0
    wanted: int = 0
    queries: int = 0
    routed: int = 0
    waited: float = 0.0
    """seconds, summed over the queries"""


@dataclass
class Outcome:
    """A whole run."""

    seconds: list[Second]
    answers: list[Answer]
    unanswered: int

    @property
    def pod_seconds(self) -> int:
        """What is paid for."""
        return sum(second.wanted for second in self.seconds)

    @property
    def default_share(self) -> float:
        """Share of the queries that got the default LLM because their scores came too late."""
        return sum(not answer.routed for answer in self.answers) / max(1, len(self.answers))


class _Run:
    """The events of a run in their order: arrivals and batches in between, then a scrape, a look, or a pod's start."""

    def __init__(self, plan: Plan, setting: Setting, end: float) -> None:
        self.outcome = Outcome([Second() for _ in range(int(end) + 1)], [], 0)
        self._plan, self._setting, self._end = plan, setting, end
        self.fleet = Fleet(
            setting.service,
            gateways=setting.gateways,
            window=setting.window,
            max_batch=setting.max_batch,
            deadline_seconds=setting.deadline_seconds,
            answered=self._answered,
        )
        for _ in range(plan.min_replicas):
            self.fleet.add(Pod())
        self._starting: list[float] = []  # when they will be ready
        self._prometheus = Prometheus(plan.window_seconds)
        self._autoscaler = Autoscaler(plan.min_replicas, plan.max_replicas, plan.behavior)
        self._queues = itertools.cycle(range(setting.gateways))

    def go(self, arrivals: Sequence[float]) -> Outcome:
        """Lives through all seconds; `arrivals` (ascending): when queries come. A simulation goes once."""
        position = 0
        for second in range(len(self.outcome.seconds)):
            self._control(float(second))
            until = min(second + 1.0, self._end)
            while position < len(arrivals) and arrivals[position] < until:
                self._finish_until(arrivals[position])
                self.fleet.arrive(arrivals[position], next(self._queues))
                position += 1
            self._finish_until(until)
        self.outcome.unanswered = self.fleet.waiting
        return self.outcome

    def _finish_until(self, until: float) -> None:
        while self.fleet.next_event <= until:
            self.fleet.finish_next()

    def _control(self, now: float) -> None:
        ready = [at for at in self._starting if at <= now]
        self._starting = [at for at in self._starting if at > now]
        for _ in ready:
            self.fleet.add(Pod())
        if now % self._plan.scrape_seconds == 0:
            self._prometheus.scrape(now, self.fleet.counters)
        if now % SYNC_SECONDS == SYNC_SECONDS // 2:  # neither knows the other's clock
            self._scale(now)
        second = self.outcome.seconds[int(now)]
        second.pods, second.wanted = len(self.fleet.pods), len(self.fleet.pods) + len(self._starting)

    def _scale(self, now: float) -> None:
        current = len(self.fleet.pods) + len(self._starting)
        change = self._autoscaler.replicas(now, current, self._desired(current)) - current
        self._starting += [now + self._setting.start_seconds] * change
        for _ in range(-change):
            if self._starting:
                self._starting.pop()
            else:
                self.fleet.remove_newest()

    def _desired(self, current: int) -> int:
        plan, seen = self._plan, self._prometheus
        desired = [plan.min_replicas]
        if (target := plan.queue_seconds_per_request) is not None:
            desired.append(desired_for_value(current, seen.queue_seconds_per_request(), target))
        if (target := plan.asked_per_second_per_pod) is not None:
            desired.append(desired_for_average(current, seen.asked_per_second(), target))
        if (target := plan.computed_per_second_per_pod) is not None:
            desired.append(desired_for_average(current, seen.computed_per_second(), target))
        return max(desired)

    def _answered(self, answer: Answer) -> None:
        self.outcome.answers.append(answer)
        second = self.outcome.seconds[int(answer.arrived)]
        second.queries += 1
        second.routed += answer.routed
        second.waited += answer.waited


def simulate(plan: Plan, setting: Setting, arrivals: Sequence[float], end: float) -> Outcome:
    """Runs `arrivals` (seconds, ascending) until `end`; what is unanswered then is counted."""
    return _Run(plan, setting, end).go(arrivals)
