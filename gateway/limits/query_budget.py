"""The budget of queries in flight, shared fairly: no caller and no batch can take all of it.

    all queries          at most the limit
    rows of batches      at most `BATCH_SHARE` of it: single queries always find room
    one API key's        never more than is left free: half for one busy key, a third each for two, … and the next
                         caller still finds room (a dynamic threshold, as switches use it for shared buffers)

Without API keys all callers look the same, so only the first two hold.
"""

from collections import Counter

from gateway.domain.query import Priority
from gateway.errors import BudgetExceededError
from gateway.limits.budget import Budget

BATCH_SHARE = 0.75


class QueryBudget:
    """Counts queries in flight, by priority and by caller."""

    def __init__(self, limit: int, retry_after_seconds: float) -> None:
        """Starts empty; a refused caller should try again after `retry_after_seconds`."""
        self._all = Budget(limit, "queries are in flight", retry_after_seconds)
        self._rows = Budget(int(limit * BATCH_SHARE), "rows of batches are in flight", retry_after_seconds)
        self._by_caller: Counter[str] = Counter()
        self._retry_after_seconds = retry_after_seconds

    @property
    def held(self) -> int:
        """Queries in flight."""
        return self._all.held

    def take(self, queries: int, priority: Priority, caller: str) -> None:
        """Holds `queries` more, of one caller (empty: no API keys are in use), until they are given back.

        Raises:
            BudgetExceededError: they do not fit; none is taken. The message says which share is used up.
        """
        if caller:
            self._check_share(queries, caller)
        self._all.take(queries)
        if priority is Priority.BATCH:
            try:
                self._rows.take(queries)
            except BudgetExceededError:
                self._all.give_back(queries)
                raise
        if caller:
            self._by_caller[caller] += queries

    def give_back(self, queries: int, priority: Priority, caller: str) -> None:
        """Frees what `take` with the same arguments took."""
        self._all.give_back(queries)
        if priority is Priority.BATCH:
            self._rows.give_back(queries)
        if caller:
            self._by_caller[caller] -= queries
            if not self._by_caller[caller]:
                del self._by_caller[caller]  # so that withdrawn keys are forgotten

    def _check_share(self, queries: int, caller: str) -> None:
        """A key that holds nothing may always take one query, however small the limit is."""
        held = self._by_caller[caller]
        if not held and queries == 1:
            return
        free = self._all.limit - self._all.held
        if held + 2 * queries > free:
            share, unit = (held + free) // 2, f"queries of {caller} are in flight"
            raise BudgetExceededError(unit, queries, held, share, self._retry_after_seconds)
