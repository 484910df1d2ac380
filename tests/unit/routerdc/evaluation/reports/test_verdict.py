"""The verdict: when to switch a router on, and when not to."""

import numpy as np
import pytest

from routerdc.data.dataset import Dataset
from routerdc.evaluation.evaluate import Options, Subject, evaluate
from routerdc.evaluation.measures.report import Verdict
from routerdc.evaluation.measures.selection import Floats
from routerdc_contract.bundle import LlmSpec
from tests.support.data.two_subjects import LLMS, dataset, embed, score


def judged(scorer: object, train: list[Dataset], test: list[Dataset], *, cost: bool = False) -> Verdict:
    router = Subject("small", "0" * 16, tuple(LlmSpec(name=llm) for llm in LLMS), scorer)  # type: ignore[arg-type]
    report = evaluate(router, train, test, embed, Options(robustness=False, cost=cost))
    assert report.verdict is not None
    return report.verdict


def always_best(queries: list[str]) -> Floats:
    """One LLM for everything: no better than asking it."""
    return np.tile(np.array([[2, 1, 0]], dtype=np.float32), (len(queries), 1))


def upside_down(queries: list[str]) -> Floats:
    return -score(queries)


def test_a_router_that_knows_the_subjects_is_switched_on(train: list[Dataset], test: list[Dataset]) -> None:
    verdict = judged(score, train, test)
    assert verdict.route
    assert verdict.sentences[0].startswith("ROUTE: proven better: +")
    assert any(sentence.startswith("On tasks that are not in the training data: ") for sentence in verdict.sentences)
    assert any(sentence.startswith("More labels: ") for sentence in verdict.sentences)


@pytest.mark.parametrize(
    ("scorer", "words"), [(always_best, "DO NOT ROUTE: not proven better"), (upside_down, "DO NOT ROUTE: proven worse")]
)
def test_a_router_that_gains_nothing_is_not_switched_on(
    train: list[Dataset], test: list[Dataset], scorer: object, words: str
) -> None:
    verdict = judged(scorer, train, test)
    assert not verdict.route
    assert verdict.sentences[0].startswith(words)


def test_losing_on_new_tasks_is_a_reason_not_to_route() -> None:
    train = [dataset("sums", "sum", 80, 1), dataset("verses", "verse", 60, 2)]
    like = dataset("riddles", "verse", 200, 7)
    riddles = Dataset(like.name, like.queries, LLMS, like.scores[:, [1, 0, 2]])  # the poet is bad at these verses
    verdict = judged(score, train, [dataset("sums", "sum", 50, 3), dataset("verses", "verse", 40, 4), riddles])
    assert not verdict.route
    assert "proven worse" in verdict.sentences[1]


def test_without_a_test_of_new_tasks_that_is_said(train: list[Dataset]) -> None:
    verdict = judged(score, train, [dataset("sums", "sum", 50, 3), dataset("verses", "verse", 40, 4)])
    assert verdict.sentences[1].startswith("New kinds of tasks were not tested")


def test_a_test_on_what_was_trained_on_is_called_none(train: list[Dataset], test: list[Dataset]) -> None:
    rows = sum(map(len, train))
    said = judged(score, train, train).sentences[1]
    assert said.startswith(f"NOT A TEST: {rows} of the {rows} test queries are in the training data")
    assert not any("NOT A TEST" in sentence for sentence in judged(score, train, test).sentences)
