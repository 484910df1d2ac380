"""The seam between router and scorers: two small protocols and the data that cross them.

Does not know Triton, batching or caching: those are scorers. Does not know endpoints or policy either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from gateway.domain.query import Priority


@dataclass(frozen=True)
class Bundle:
    """Which trained router answers: its id, and the LLM names in the order of the columns of its scores.

    `calibration` has (slope, intercept) for each of `llms`, None for one that was not calibrated; empty: none was.
    `max_tokens`: how many tokens of a text the model reads; 0: it does not say.
    """

    bundle_id: str
    llms: tuple[str, ...]
    calibration: tuple[tuple[float, float] | None, ...] = ()
    max_tokens: int = 0

    @cached_property
    def calibrations(self) -> dict[str, tuple[float, float]]:
        """`calibration` by LLM, without those that have none."""
        pairs = zip(self.llms, self.calibration, strict=bool(self.calibration))
        return {llm: calibration for llm, calibration in pairs if calibration is not None}


class Scores(NamedTuple):
    """One query's scores: `values[j]` belongs to `bundle.llms[j]`."""

    bundle: Bundle
    values: tuple[float, ...]
    token_count: int
    truncated: bool
    familiarity: float | None = None
    """how like its training queries the bundle finds the query, in [0, 1]; None where it does not know"""


class Scored(NamedTuple):
    """Scores and how they came about."""

    scores: Scores
    cached: bool = False
    queue_ns: int = 0
    score_ns: int = 0


class Neighbour(NamedTuple):
    """A training query near to another query: its beginning, the cosine of both, and the grades of LLMs by name."""

    query: str
    similarity: float
    grades: dict[str, float]


class Neighbours(NamedTuple):
    """The nearest graded training queries that a bundle holds, nearest first."""

    bundle_id: str
    nearest: tuple[Neighbour, ...]


class Scorer(Protocol):
    """Scores single queries; many calls run at once."""

    @property
    def bundle(self) -> Bundle:
        """The bundle that the scorer serves, as far as it knows."""

    async def score(self, query: str, deadline: float, priority: Priority = Priority.INTERACTIVE) -> Scored:
        """Scores `query`, not later than `deadline` (of `time.monotonic()`), before queries of a lower priority.

        Cancelling the call releases everything that was waiting for it alone.

        Raises:
            InvalidRequestError: the scorer refuses this query.
            ScorerError: there are no scores, whatever the reason; ScorerTimeoutError when the deadline has passed.
        """


class BatchScorer(Protocol):
    """Scores several queries in one call."""

    @property
    def bundle(self) -> Bundle:
        """The bundle that the scorer serves, as far as it knows."""

    @property
    def cancellable(self) -> bool:
        """True if calls in flight may be cancelled; otherwise they are left to end by themselves."""

    async def score_batch(self, queries: Sequence[str]) -> list[Scores]:
        """Scores all `queries`: result i belongs to query i.

        Raises:
            InvalidRequestError: the scorer refuses at least one of the queries, and has answered none.
            ScorerError: there are no scores.
        """
