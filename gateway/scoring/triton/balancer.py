"""Several Tritons as one: balanced by load, with those that fail put out of rotation, and failed batches tried again.

grpc's own round_robin passes over addresses that it cannot connect to. It does not know load, nor a Triton that is
reached and fails, hangs, or serves another bundle: that is what is here. The Triton with the fewest queries in flight
is asked, one of several by chance, so that gateways that start together do not crowd on one. Tritons may come and go:
each probe asks which there are. Does not know KServe, queries, policy, or how Tritons are found.
"""

import asyncio
import enum
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from gateway.domain.scorer import Bundle, Neighbours, Scores
from gateway.errors import (
    InvalidRequestError,
    ScorerError,
    ScorerOverloadedError,
    ScorerTimeoutError,
    ScorerUnavailableError,
)
from gateway.scoring.triton.scorer import TritonScorer

MAX_FAILURES = 3
_FIRST_EJECTION_SECONDS = 1.0
_LONGEST_EJECTION_SECONDS = 30.0
_LEAVING_SECONDS = 30.0

log = structlog.get_logger("gateway.scoring.triton.balancer")


class TritonState(enum.Enum):
    """What is thought of one Triton."""

    IN_ROTATION = "in_rotation"
    EJECTED = "ejected"
    NOT_READY = "not_ready"


@dataclass(slots=True)
class _Member:
    scorer: TritonScorer
    in_flight: int = 0  # queries
    failures: int = 0  # in a row
    ejected_until: float = 0.0
    problem: ScorerError | None = None  # what the last probe said

    def state(self, now: float) -> TritonState:
        if self.problem is not None:
            return TritonState.NOT_READY
        return TritonState.EJECTED if now < self.ejected_until else TritonState.IN_ROTATION


class TritonBalancer:
    """A batch scorer over the scorers of several Tritons. There are none before the first probe."""

    def __init__(
        self,
        discover: Callable[[], Awaitable[Sequence[str]]],
        scorer: Callable[[str], TritonScorer],
        *,
        patience_seconds: float,
        on_retry: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Owns the scorers that it makes.

        Args:
            discover: the addresses of all Tritons there are now; raises ScorerError where it knows none.
            scorer: makes the scorer of one address.
            patience_seconds: a batch that is cancelled after that long counts as a failure: nobody waits any more for a
                Triton that hangs.
            on_retry: called where a failed batch is tried again.
            clock: gives seconds.
        """
        self._discover = discover
        self._scorer = scorer
        self._members: list[_Member] = []
        self.has_served = False  # a Triton was ready once, with a bundle that the check took
        self._patience_seconds = patience_seconds
        self._on_retry = on_retry
        self._clock = clock
        self._leaving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, *(m.scorer.close() for m in self._members), return_exceptions=True)

    def __len__(self) -> int:
        """How many Tritons there are, well or not."""
        return len(self._members)

    @property
    def bundle(self) -> Bundle:
        """The bundle of the first Triton that is ready.

        Raises:
            ScorerUnavailableError: none has ever said which it serves.
        """
        if not self._members:
            raise ScorerUnavailableError("no Triton has been found yet")
        for member in self._members:  # asked for every query: no generator
            if member.problem is None:
                return member.scorer.bundle
        return self._members[0].scorer.bundle

    @property
    def max_batch(self) -> int:
        """The least of the models' own limits."""
        limits = [member.scorer.max_batch for member in self._members if member.problem is None]
        return min(limits or [member.scorer.max_batch for member in self._members], default=1)

    @property
    def cancellable(self) -> bool:
        """Whether every Triton is: which one will be asked is not known before."""
        return all(member.scorer.cancellable for member in self._members)

    def count(self, state: TritonState) -> int:
        """How many Tritons are in `state` now."""
        now = self._clock()
        return sum(member.state(now) is state for member in self._members)

    async def probe(self, check: Callable[[Bundle], None] = lambda bundle: None) -> Bundle:
        """Looks at every Triton there is; those that are not ready, or whose bundle `check` refuses, get no batches.

        Raises:
            ScorerError: none is ready; the error is the first one's.
        """
        known = {member.scorer.address: member for member in self._members}
        addresses = await self._discover()
        members = [known.pop(one) if one in known else _Member(self._scorer(one)) for one in addresses]
        await asyncio.gather(*(self._probe(member, check, alone=len(members) == 1) for member in members))
        self._members = members
        for gone in known.values():
            self._let_go(gone)
        problems = [member.problem for member in members]
        if None not in problems and problems[0] is not None:
            raise problems[0]
        self.has_served = True
        return self.bundle

    async def score_batch(self, queries: Sequence[str]) -> list[Scores]:
        """See `BatchScorer.score_batch`. A batch that failed is tried once more: see `_second_try`."""
        if not self._members:
            raise ScorerUnavailableError("no Triton has been found yet")
        first = self._least_busy(self._members)
        try:
            return await self._ask(first, queries)
        except ScorerError as error:
            second = self._second_try(first, error)
            if second is None:
                raise
            self._on_retry()
            return await self._ask(second, queries)

    async def neighbours(self, query: str) -> Neighbours | None:
        """See `TritonScorer.neighbours`; asked of one Triton, once."""
        if not self._members:
            return None
        member = self._least_busy(self._members)
        member.in_flight += 1
        try:
            return await member.scorer.neighbours(query)
        finally:
            member.in_flight -= 1

    def _let_go(self, member: _Member) -> None:
        """Its batches in flight are answered first."""
        log.info("triton left", address=member.scorer.address)
        task = asyncio.create_task(member.scorer.close(_LEAVING_SECONDS))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _least_busy(self, members: Sequence[_Member]) -> _Member:
        if len(members) == 1:
            return members[0]
        now = self._clock()
        well = [m for m in members if m.state(now) is TritonState.IN_ROTATION] or members
        return min(well, key=lambda member: (member.in_flight, random.random()))  # noqa: S311 - no secret

    def _second_try(self, first: _Member, error: ScorerError) -> _Member | None:
        """Another Triton in rotation. Where there is none, the same one if its connection ended: there is a new one."""
        now = self._clock()
        others = [m for m in self._members if m is not first and m.state(now) is TritonState.IN_ROTATION]
        if others:
            return self._least_busy(others)
        return first if isinstance(error, ScorerUnavailableError) else None

    async def _ask(self, member: _Member, queries: Sequence[str]) -> list[Scores]:
        started = self._clock()
        member.in_flight += len(queries)
        try:
            scores = await member.scorer.score_batch(queries)
        except asyncio.CancelledError:
            if self._clock() - started >= self._patience_seconds:
                self._failed(member, ScorerTimeoutError("nobody waited any longer"))
            raise
        except (InvalidRequestError, ScorerOverloadedError):  # it works; to eject it would overload the others, too
            member.failures = 0
            raise
        except ScorerError as error:
            self._failed(member, error)
            raise
        finally:
            member.in_flight -= len(queries)
        member.failures = 0
        return scores

    def _failed(self, member: _Member, error: ScorerError) -> None:
        """Once it was ejected, every further failure in a row ejects it again, for twice as long."""
        now = self._clock()
        if now < member.ejected_until or len(self._members) == 1:
            return  # asked before it was ejected, or there is no other
        member.failures += 1
        if (times := member.failures - MAX_FAILURES) < 0:
            return
        seconds = min(_LONGEST_EJECTION_SECONDS, _FIRST_EJECTION_SECONDS * 2 ** min(times, 10))
        member.ejected_until = now + seconds
        log.warning("triton ejected", address=member.scorer.address, seconds=seconds, error=str(error))

    async def _probe(self, member: _Member, check: Callable[[Bundle], None], *, alone: bool) -> None:
        problem: ScorerError | None = None
        try:
            check(await member.scorer.probe())
        except ScorerError as error:
            problem = error
        if not alone and (problem is None) is not (member.problem is None):
            log.warning("triton readiness", address=member.scorer.address, problem=problem and str(problem))
        member.problem = problem
