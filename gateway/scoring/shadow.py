"""A second router on live traffic: how often would another bundle choose the same LLM?

A scorer in front of a scorer. Callers get the first one's scores as they come; a share of the queries is then scored by
the shadow, too, and the choices are compared by name, before policy. A choice that only one of them knows is counted as
such: that is how often an LLM that joins would be chosen, or one that leaves is missed. Nobody waits for the shadow: it
has a bounded number of queries in flight, and what comes on top is dropped and counted.
"""

import asyncio
import random
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from gateway.config.groups import Shadow
from gateway.domain.outcomes import ShadowOutcome
from gateway.domain.query import Priority
from gateway.domain.scorer import BatchScorer, Bundle, Scored, Scorer, Scores
from gateway.limits.budget import Budget
from gateway.telemetry.logs import Throttled

log = structlog.get_logger("gateway.scoring.shadow")


class ShadowedScorer:
    """Scores by `primary` and compares with `shadow`; leaving the block abandons what is in flight in the shadow."""

    def __init__(
        self,
        primary: Scorer,
        shadow: BatchScorer,
        limits: Shadow,
        observe: Callable[[ShadowOutcome], None],
    ) -> None:
        """`shadow_share` of the queries is for the shadow, too, as far as it has room for them."""
        self._primary = primary
        self._shadow = shadow
        self._share = limits.shadow_share
        self._budget = Budget(limits.max_shadow_in_flight, "queries are in flight in the shadow")
        self._observe = observe
        self._in_flight: set[asyncio.Task[None]] = set()
        self._warn = Throttled(log, "shadow failed")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    @property
    def bundle(self) -> Bundle:
        """The primary's bundle."""
        return self._primary.bundle

    async def score(self, query: str, deadline: float, priority: Priority = Priority.INTERACTIVE) -> Scored:
        """The primary's answer, whatever the shadow does."""
        scored = await self._primary.score(query, deadline, priority)
        if random.random() < self._share:  # noqa: S311 - a sample, not a secret
            self._send(query, scored.scores)
        return scored

    def _send(self, query: str, scores: Scores) -> None:
        if not self._budget.fits(1):
            self._observe(ShadowOutcome.DROPPED)
            return
        self._budget.take(1)
        task = asyncio.create_task(self._compare(query, scores))
        self._in_flight.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._budget.give_back(1)

    async def _compare(self, query: str, scores: Scores) -> None:
        try:
            (other,) = await self._shadow.score_batch([query])
            outcome = _outcome(scores, other)
        except Exception as error:  # a defect of the shadow is no business of the caller's
            self._warn(type(error).__name__, error=str(error))
            outcome = ShadowOutcome.FAILED
        self._observe(outcome)


def _outcome(scores: Scores, other: Scores) -> ShadowOutcome:
    common = frozenset(scores.bundle.llms) & frozenset(other.bundle.llms)
    if not common:
        return ShadowOutcome.FAILED
    ours, theirs = _choice(scores), _choice(other)
    if not {ours, theirs} <= common:
        return ShadowOutcome.UNSHARED
    return ShadowOutcome.AGREED if ours == theirs else ShadowOutcome.DIFFERED


def _choice(scores: Scores) -> str:
    return scores.bundle.llms[max(range(len(scores.values)), key=scores.values.__getitem__)]
