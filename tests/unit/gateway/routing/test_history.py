"""Scores of a conversation: one batch for all texts, both ends of long ones, and the policy replayed turn by turn."""

import time
from dataclasses import replace

import pytest

from gateway.domain.conversation import Message, conversation
from gateway.domain.decision import Decision, Reason
from gateway.domain.query import Priority, RouteQuery
from gateway.domain.scorer import Scored
from gateway.errors import ScorerUnavailableError
from gateway.limits.query_budget import QueryBudget
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.history import both_ends, score
from gateway.routing.router import Router
from gateway.scoring.bisecting import BisectingScorer
from gateway.scoring.coalescer import Coalescer
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.unit.gateway.conftest import endpoints_file

A, B = "a question about alpha, long enough to count fully", "a question about beta, long enough to count fully too"
VALUES: dict[str, tuple[float, ...]] = {A: (1.0, 0.0, 0.0), B: (0.0, 1.0, 0.0), "yes": (0.0, 0.0, 1.0)}


def asked(*texts: str, answer: str = "fine") -> RouteQuery:
    messages = [m for text in texts for m in (Message("user", text), Message("assistant", answer))][:-1]
    talk = conversation(messages)
    return RouteQuery(talk.text, (), None, 9, "id", conversation=talk, other_bytes=talk.other_bytes)


async def decide(query: RouteQuery, scorer: FakeScorer | None = None, **policy: float) -> Decision:
    file = endpoints_file(policy={"sticky_margin": 0, "switch_cost": 0} | policy)
    router = Router(PoolRef(Pool(file)), scorer or FakeScorer(values=VALUES), QueryBudget(9, 1))
    return await router.route(query, time.monotonic() + 5)


async def test_all_texts_of_a_conversation_leave_in_one_batch_and_equal_ones_once() -> None:
    scorer = FakeScorer()
    coalescer = Coalescer(BisectingScorer(scorer), max_batch=lambda: 64, scorers=lambda: 1, window=1, row_seconds=1)
    chat = asked(A, "yes", B, "yes").conversation
    assert chat is not None
    await score(chat, coalescer, time.monotonic() + 5, Priority.INTERACTIVE)
    assert scorer.batches == [[A, "yes", B]]


async def test_a_short_reply_inherits_and_says_what_was_decided_by() -> None:
    decision = await decide(asked(A, "yes"))
    assert (decision.candidates[0].llm, decision.reason) == ("alpha", Reason.ROUTED)
    assert decision.candidates[0].score == pytest.approx(1, abs=0.02)


async def test_a_new_question_counts_more_than_the_one_before() -> None:
    decision = await decide(asked(A, B))
    assert [c.llm for c in decision.candidates] == ["beta", "alpha", "gamma"]
    assert [c.score for c in decision.candidates] == pytest.approx([1 / 1.35, 0.35 / 1.35, 0.0])


async def test_the_llm_of_the_turns_before_is_kept_within_the_margin() -> None:
    lead = (1 - 0.35) / 1.35
    assert (await decide(asked(A, B), sticky_margin=lead - 0.01)).candidates[0].llm == "beta"
    kept = await decide(asked(A, B), sticky_margin=lead + 0.01)
    assert (kept.candidates[0].llm, kept.reason) == ("alpha", Reason.STICKY)


async def test_a_switch_costs_more_the_longer_the_chat_is() -> None:
    for answer, llm in (("short", "beta"), ("x" * 40_000, "alpha")):
        decision = await decide(asked(A, B, answer=answer), switch_cost=0.05)
        assert decision.candidates[0].llm == llm


async def test_what_an_earlier_turn_switched_to_is_kept_in_the_next() -> None:
    assert (await decide(asked(A, B, "yes"), sticky_margin=0.3)).candidates[0].llm == "beta"


async def test_a_long_text_is_scored_at_both_ends_and_counts_as_truncated() -> None:
    scorer = FakeScorer(bundle=replace(BUNDLE, max_tokens=10))
    decision = await decide(asked("a" * 200 + "z" * 100), scorer)
    assert sorted(text for batch in scorer.batches for text in batch) == ["a" * 160, "z" * 30]
    assert decision.truncated


@pytest.mark.parametrize("text", ["!" * 2**20, "é" * 2**19, "word " * 2**18, "\n" * 2**20 + "x"])
@pytest.mark.parametrize("max_tokens", [0, 64, 512])
def test_what_is_sent_of_a_megabyte_is_bounded(text: str, max_tokens: int) -> None:
    ends = both_ends(text, max_tokens)
    assert sum(len(end.encode()) for end in ends) <= (max_tokens * 19 or 96 * 1024)
    assert all(end.strip() for end in ends)


async def test_without_the_scores_of_one_text_the_default_answers() -> None:
    decision = await decide(asked(A, B), FakeScorer(faults={A: ScorerUnavailableError("down")}))
    assert (decision.candidates[0].llm, decision.reason) == ("alpha", Reason.FALLBACK)


class Rollover(FakeScorer):
    """Some texts are scored by the bundle before."""

    before: frozenset[str] = frozenset()

    async def score(self, query: str, deadline: float, *rest: object) -> Scored:
        scored = await super().score(query, deadline)
        bundle = replace(self.bundle, bundle_id="f" * 16) if query in self.before else self.bundle
        return scored._replace(scores=scored.scores._replace(bundle=bundle))


async def test_scores_of_another_bundle_do_not_count() -> None:
    scorer = Rollover(values=VALUES)
    scorer.before = frozenset([A])
    decision = await decide(asked(A, B), scorer)
    assert [c.score for c in decision.candidates] == pytest.approx([1.0, 0.0, 0.0])


@pytest.mark.parametrize("earlier", [(), (A,)], ids=["the only text", "the newest text"])
async def test_the_ends_of_a_long_text_may_come_from_two_bundles_and_the_beginning_counts(
    earlier: tuple[str, ...],
) -> None:
    beginning, end = "b" * 160, "z" * 30
    scorer = Rollover(bundle=replace(BUNDLE, max_tokens=10), values={**VALUES, beginning: (0.0, 0.0, 1.0)})
    scorer.before = frozenset([end])
    decision = await decide(asked(*earlier, "b" * 200 + "z" * 100), scorer)
    assert (decision.candidates[0].llm, decision.reason) == ("gamma", Reason.ROUTED)
