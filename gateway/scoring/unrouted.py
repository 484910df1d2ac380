"""Before there is a router: the gateway serves its default LLMs until the first bundle for them has been found.

That is a state, not a fault: nothing is counted or logged as a fallback. It ends for good with the first bundle; a
scorer that fails afterwards is a fault like any other.
"""

from collections.abc import Callable

from gateway.domain.query import Priority
from gateway.domain.scorer import Bundle, Scored, Scorer
from gateway.errors import NoRouterError

NO_BUNDLE = Bundle("", ())


class UnroutedScorer:
    """A `Scorer` that refuses every query until `has_router` says that there is somebody to ask."""

    def __init__(self, scorer: Scorer, has_router: Callable[[], bool]) -> None:
        self._scorer = scorer
        self._has_router = has_router

    @property
    def bundle(self) -> Bundle:
        """The inner scorer's bundle; NO_BUNDLE before there is one."""
        return self._scorer.bundle if self._has_router() else NO_BUNDLE

    async def score(self, query: str, deadline: float, priority: Priority = Priority.INTERACTIVE) -> Scored:
        """See `Scorer.score`.

        Raises:
            NoRouterError: there is no router yet.
        """
        if not self._has_router():
            raise NoRouterError("no bundle for these LLMs has been found yet")
        return await self._scorer.score(query, deadline, priority)
