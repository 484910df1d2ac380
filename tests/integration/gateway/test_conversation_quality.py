"""Graded second turns: what a conversation's history does to the quality of the next question.

The paper's graded test questions, each after another question of the same test set or of another one. Needs the shared
data, which are not part of the repository.
"""

import json
import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from gateway.domain.conversation import Message
from tests.support.data.public import ROUTERDC, needs_routerdc
from tests.support.gateways.bundle_scorer import BundleScorer
from tests.unit.gateway.routing.test_dialogues import fresh_router, llm, turns

PER_SET = 60
LARGEST_LOSS = 0.01


class Graded(NamedTuple):
    """A question, the test set that it is from, and how well each LLM of the bundle answers it (0 to 1)."""

    question: str
    test_set: str
    scores: dict[str, float]


def sample(llms: tuple[str, ...]) -> Iterator[Graded]:
    """`PER_SET` questions of each test set."""
    chance = random.Random(0)
    for path in sorted(ROUTERDC.glob("test_*/*.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))
        for row in chance.sample(rows, min(PER_SET, len(rows))):
            if all(row["scores"].get(name) is not None for name in llms):
                yield Graded(row["question"], path.stem, row["scores"])


@needs_routerdc
@pytest.mark.parametrize("same_set", [True, False], ids=["same subject", "another subject"])
def test_a_question_after_another_is_answered_as_well_as_alone(same_set: bool) -> None:
    scorer = BundleScorer()
    router, chance = fresh_router(scorer), random.Random(1)
    asked = list(sample(scorer.bundle.llms))
    scorer.learn([one.question for one in asked])
    alone, later = 0.0, 0.0
    for one in asked:
        before = chance.choice([other for other in asked if (other.test_set == one.test_set) is same_set])
        history = turns(before.question)
        alone += one.scores[llm(router, [Message("user", one.question)])]
        later += one.scores[llm(router, [*history, Message("user", one.question)])]
    print(f"{len(asked)} questions: alone {alone / len(asked):.4f}, in a conversation {later / len(asked):.4f}")
    assert later / len(asked) >= alone / len(asked) - LARGEST_LOSS
