"""Dollars that may still be spent: what a call can cost at most is set aside before it is made."""

import asyncio

from labelling.errors import PoolError
from labelling.pool.endpoints import PoolFile


class Budget:
    """`limit` dollars in all, None: no limit. Spent and set aside together never exceed it."""

    def __init__(self, limit: float | None, spent: float = 0.0) -> None:
        """`spent`: dollars that are gone already."""
        self.limit, self.spent = limit, spent
        self._set_aside = 0.0
        self._outstanding = 0
        self._changed = asyncio.Condition()

    async def reserve(self, dollars: float) -> bool:
        """Sets `dollars` aside, and waits for calls that are in flight where these may free enough.

        Returns:
            False if so much will not be free again.
        """
        async with self._changed:
            while not self._fits(dollars):
                if not self._outstanding:
                    return False
                await self._changed.wait()
            self._set_aside += dollars
            self._outstanding += 1
            return True

    async def settle(self, reserved: float, cost: float) -> None:
        """Replaces what was set aside for a call by what it cost."""
        async with self._changed:
            self._set_aside -= reserved
            self._outstanding -= 1
            self.spent += cost
            self._changed.notify_all()

    async def reserve_now(self, dollars: float) -> bool:
        """Sets more aside for a call that is in flight; never waits, for others may be waiting for that call."""
        async with self._changed:
            fits = self._fits(dollars)
            self._set_aside += dollars if fits else 0.0
            return fits

    def _fits(self, dollars: float) -> bool:
        return self.limit is None or self.spent + self._set_aside + dollars <= self.limit


class Reservation:
    """What is set aside for one call: the most that one attempt can cost, and again for each attempt in vain."""

    def __init__(self, budget: Budget, most: float) -> None:
        self.most = most
        self._budget, self._held = budget, 0.0

    async def first(self) -> bool:
        """Whether the call can be paid for."""
        if affordable := await self._budget.reserve(self.most):
            self._held = self.most
        return affordable

    async def again(self) -> bool:
        """Whether one more attempt can be paid for, although the last one may have been charged."""
        if affordable := await self._budget.reserve_now(self.most):
            self._held += self.most
        return affordable

    async def settle(self, cost: float) -> None:
        """The call has ended and cost so much."""
        await self._budget.settle(self._held, cost)


def check_prices(pool: PoolFile) -> None:
    """A budget needs a price for every LLM.

    Raises:
        PoolError: one has none; the message names it.
    """
    if unpriced := [name for name, llm in pool.llms.items() if llm.prices is None]:
        raise PoolError(
            f"--max-usd: no price for {', '.join(unpriced)}: set price (or input_price and output_price) in the "
            "endpoints file, 0 for an LLM that costs nothing"
        )
