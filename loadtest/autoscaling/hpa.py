"""What the HorizontalPodAutoscaler (autoscaling/v2) does with its metrics.

Source: the controller (pkg/controller/podautoscaler: replica_calculator.go, horizontal.go; KEP 853 for the behaviour).

KEDA makes such an autoscaler and answers its questions for external metrics at once; its `pollingInterval` is how often
it looks whether a workload must be woken from zero pods, and counts for nothing here (but with `useCachedMetrics`).
"""

import math
from dataclasses import dataclass, field
from typing import Literal

TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance
SYNC_SECONDS = 15.0  # --horizontal-pod-autoscaler-sync-period


@dataclass(frozen=True)
class Policy:
    """So many pods, or so many per cent of them, in a period."""

    type: Literal["Pods", "Percent"]
    value: int
    period_seconds: float


@dataclass(frozen=True)
class Rules:
    """One direction of `behavior`; of its policies the one that allows most counts (`selectPolicy: Max`)."""

    stabilization_window_seconds: float
    policies: tuple[Policy, ...]


@dataclass(frozen=True)
class Behavior:
    """`spec.behavior`; the defaults are Kubernetes'."""

    scale_up: Rules = Rules(0, (Policy("Percent", 100, 15), Policy("Pods", 4, 15)))
    scale_down: Rules = Rules(300, (Policy("Percent", 100, 15),))


def desired_for_value(current: int, metric: float, target: float, tolerance: float = TOLERANCE) -> int:
    """Replicas for a metric of type `Value`: it says the same whatever the number of pods, like a time."""
    ratio = metric / target
    return current if abs(ratio - 1) <= tolerance else math.ceil(ratio * current)


def desired_for_average(current: int, metric: float, target: float, tolerance: float = TOLERANCE) -> int:
    """Replicas for a metric of type `AverageValue`: a sum over the pods, of which each shall have `target`."""
    ratio = metric / (target * current)
    return current if abs(ratio - 1) <= tolerance else math.ceil(metric / target)


@dataclass
class Autoscaler:
    """Turns desired replicas into replicas: between least and most, stabilized, no faster than the policies allow."""

    min_replicas: int
    max_replicas: int
    behavior: Behavior = field(default_factory=Behavior)
    _wanted: list[tuple[float, int]] = field(default_factory=list)  # (seconds, replicas), as recommended
    _changes: list[tuple[float, int]] = field(default_factory=list)  # (seconds, pods added; removed: negative)

    def replicas(self, now: float, current: int, desired: int) -> int:
        """How many pods there shall be from now on."""
        replicas = self._limited(now, current, self._stabilized(now, current, desired))
        if replicas != current:
            self._changes.append((now, replicas - current))
        return replicas

    def _stabilized(self, now: float, current: int, desired: int) -> int:
        """Up only to the least, down only to the most that was recommended within the direction's window."""
        self._wanted.append((now, desired))
        up, down = self.behavior.scale_up, self.behavior.scale_down
        longest = max(up.stabilization_window_seconds, down.stabilization_window_seconds)
        self._wanted = [(at, n) for at, n in self._wanted if at >= now - longest]
        least = min(n for at, n in self._wanted if at >= now - up.stabilization_window_seconds)
        most = max(n for at, n in self._wanted if at >= now - down.stabilization_window_seconds)
        return min(max(current, least), most)

    def _limited(self, now: float, current: int, wanted: int) -> int:
        if wanted > current:
            limit = max(self._limit(now, current, policy, up=True) for policy in self.behavior.scale_up.policies)
            return min(wanted, max(limit, current), self.max_replicas)
        limit = min(self._limit(now, current, policy, up=False) for policy in self.behavior.scale_down.policies)
        return max(wanted, min(limit, current), self.min_replicas)

    def _limit(self, now: float, current: int, policy: Policy, *, up: bool) -> int:
        changed = sum(n for at, n in self._changes if at > now - policy.period_seconds)
        start = current - changed
        if policy.type == "Pods":
            return start + policy.value if up else start - policy.value
        share = policy.value / 100
        return math.ceil(start * (1 + share)) if up else math.floor(start * (1 - share))
