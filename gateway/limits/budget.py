"""Budget: an upper bound for what is held at once. What exceeds it is refused immediately and never queued.

Queries in flight, bytes of request bodies and the shadow's queries each have one; everything behind a budget (queues,
tasks, memory) is bounded by it.
"""

from gateway.errors import BudgetExceededError


class Budget:
    """Counts what is held."""

    def __init__(self, limit: int, unit: str, retry_after_seconds: float = 1.0) -> None:
        """Starts empty.

        Args:
            limit: how much may be held at once.
            unit: what is counted, for the error: "queries in flight".
            retry_after_seconds: when a refused caller should try again, in seconds.
        """
        self.limit = limit
        self.held = 0
        self._unit = unit
        self._retry_after_seconds = retry_after_seconds

    def fits(self, amount: int) -> bool:
        """Whether `amount` more can be held now."""
        return self.held + amount <= self.limit

    def take(self, amount: int) -> None:
        """Holds `amount` more, until it is given back.

        Raises:
            BudgetExceededError: it does not fit; nothing is taken.
        """
        if self.held + amount > self.limit:
            raise BudgetExceededError(self._unit, amount, self.held, self.limit, self._retry_after_seconds)
        self.held += amount

    def give_back(self, amount: int) -> None:
        """Frees as much as was taken."""
        self.held -= amount
