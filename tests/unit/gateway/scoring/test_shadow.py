import asyncio
import time
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import pytest

from gateway.config.groups import Shadow
from gateway.domain.outcomes import ShadowOutcome
from gateway.domain.scorer import Bundle
from gateway.errors import ScorerUnavailableError
from gateway.scoring.shadow import ShadowedScorer
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.support.waiting import until


class Shadowed:
    """A primary and a shadow, and what was observed."""

    def __init__(self, shadow: FakeScorer, share: float = 1.0, max_in_flight: int = 4) -> None:
        self.primary, self.shadow = FakeScorer(), shadow
        self.seen: Counter[ShadowOutcome] = Counter()
        limits = Shadow(shadow_share=share, max_shadow_in_flight=max_in_flight)
        self.scorer = ShadowedScorer(self.primary, shadow, limits, self._observe)

    def _observe(self, outcome: ShadowOutcome) -> None:
        self.seen[outcome] += 1

    async def ask(self, *queries: str) -> list[tuple[float, ...]]:
        deadline = time.monotonic() + 60
        return [(await self.scorer.score(query, deadline)).scores.values for query in queries]


async def test_choices_are_compared_by_name_and_not_by_column() -> None:
    reversed_bundle = Bundle("f" * 16, tuple(reversed(BUNDLE.llms)))
    values: dict[str, tuple[float, ...]] = {"same": (0.0, 1.0, 0.5), "other": (1.0, 0.0, 0.5)}
    shadowed = Shadowed(FakeScorer(bundle=reversed_bundle, values=values))
    assert await shadowed.ask("same", "other") == [(0.5, 0.9, 0.1)] * 2
    await until(lambda: shadowed.seen.total() == 2)
    assert shadowed.seen == {ShadowOutcome.AGREED: 1, ShadowOutcome.DIFFERED: 1}


@pytest.mark.parametrize(
    ("llms", "values", "outcome"),
    [
        (("new", "alpha", "beta"), (1.0, 0.5, 0.1), ShadowOutcome.UNSHARED),  # the shadow's choice is new
        (("new", "alpha", "gamma"), (0.1, 0.5, 0.2), ShadowOutcome.UNSHARED),  # the primary's, beta, has left
        (("new", "alpha", "beta"), (0.1, 0.5, 1.0), ShadowOutcome.AGREED),
        (("new", "alpha", "beta"), (0.1, 1.0, 0.5), ShadowOutcome.DIFFERED),
    ],
)
async def test_a_choice_that_only_one_of_them_knows_is_counted_as_such(
    llms: tuple[str, ...], values: tuple[float, ...], outcome: ShadowOutcome
) -> None:
    shadowed = Shadowed(FakeScorer(bundle=Bundle("f" * 16, llms), values={"q": values}))
    await shadowed.ask("q")
    await until(lambda: shadowed.seen.total() == 1)
    assert shadowed.seen == {outcome: 1}


async def test_a_shadow_that_knows_none_of_the_llms_has_failed() -> None:
    shadowed = Shadowed(FakeScorer(bundle=Bundle("f" * 16, ("x", "y", "z"))))
    await shadowed.ask("q")
    await until(lambda: shadowed.seen[ShadowOutcome.FAILED] == 1)


async def test_callers_do_not_wait_for_a_slow_shadow_and_what_is_too_much_is_dropped() -> None:
    shadowed = Shadowed(FakeScorer(delays_seconds={"q": 3600}), max_in_flight=3)
    async with asyncio.timeout(10), shadowed.scorer:
        assert len(await shadowed.ask(*["q"] * 10)) == 10
        await until(lambda: len(shadowed.shadow.batches) == 3)
    assert shadowed.seen == {ShadowOutcome.DROPPED: 7}
    assert shadowed.shadow.cancelled == ["q"] * 3


@pytest.mark.parametrize("fault", [ScorerUnavailableError("down"), ZeroDivisionError("defect")])
async def test_a_failing_shadow_is_counted_and_no_callers_business(
    fault: Exception, events: list[MutableMapping[str, Any]]
) -> None:
    shadowed = Shadowed(FakeScorer(faults={"q": fault}))
    assert await shadowed.ask("q") == [(0.5, 0.9, 0.1)]
    await until(lambda: shadowed.seen[ShadowOutcome.FAILED] == 1)
    assert [event["event"] for event in events] == ["shadow failed"]


async def test_what_the_primary_refuses_is_not_sent_to_the_shadow() -> None:
    shadowed = Shadowed(FakeScorer())
    shadowed.primary.faults["q"] = ScorerUnavailableError("down")
    with pytest.raises(ScorerUnavailableError):
        await shadowed.ask("q")
    await asyncio.sleep(0.01)
    assert shadowed.shadow.batches == []


async def test_about_the_share_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([0.0, 0.24, 0.25, 0.9])
    monkeypatch.setattr("random.random", lambda: next(draws))
    shadowed = Shadowed(FakeScorer(), share=0.25)
    await shadowed.ask(*"abcd")
    await until(lambda: shadowed.seen.total() == 2)
    assert [batch for (batch,) in shadowed.shadow.batches] == ["a", "b"]
