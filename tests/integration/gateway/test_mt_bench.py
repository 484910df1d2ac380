"""A public multi-turn set, MT-Bench's 80 conversations of two turns, over the shipped bundle.

The texts are from github.com/lm-sys/FastChat (Apache-2.0), fastchat/llm_judge/data/mt_bench/question.jsonl at 0e6d3e4,
without the reference answers.
"""

import json
from pathlib import Path

import pytest

from gateway.domain.conversation import Message
from tests.support.gateways.bundle_scorer import BundleScorer
from tests.unit.gateway.routing.test_dialogues import REPLIES, TOOLS, fresh_router, llm, turns

CONVERSATIONS: list[list[str]] = [
    json.loads(line)["turns"]
    for line in (Path(__file__).parents[2] / "support/data/mt_bench.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.fixture(scope="module")
def scorer() -> BundleScorer:
    """Has scored every turn."""
    scorer = BundleScorer()
    scorer.learn([text for texts in CONVERSATIONS for text in texts])
    return scorer


def test_a_reply_that_asks_nothing_new_keeps_the_llm_after_either_turn(scorer: BundleScorer) -> None:
    router = fresh_router(scorer)
    kept = []
    for texts in (conversation[:n] for conversation in CONVERSATIONS for n in (1, 2)):
        had = llm(router, turns(*texts)[:-1])
        kept += [llm(router, [*turns(*texts), Message("user", reply)]) == had for reply in REPLIES]
        kept += [llm(router, [*turns(*texts)[:-1], Message("assistant", ""), tool]) == had for tool in TOOLS]
    print(f"{sum(kept)} of {len(kept)} replies keep the LLM")
    assert sum(kept) / len(kept) >= 0.95


def test_second_turns_change_the_llm_less_often_than_where_the_last_message_alone_decides(scorer: BundleScorer) -> None:
    router = fresh_router(scorer)
    alone = [[llm(router, [Message("user", text)]) for text in texts] for texts in CONVERSATIONS]
    second = [llm(router, turns(*texts)[:-1]) for texts in CONVERSATIONS]
    kept = sum(first == later for (first, _), later in zip(alone, second, strict=True))
    kept_alone = sum(first == later for first, later in alone)
    print(f"{kept} of {len(second)} second turns keep the LLM, {kept_alone} where the last message alone decides")
    assert kept > kept_alone
