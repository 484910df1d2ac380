"""Reference points of the paper's data, known beforehand: the proof that the evaluator is right."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest

from routerdc.data.dataset import Dataset, pool
from routerdc.data.loading import load_all
from routerdc.evaluation.measures.judging import IN_DISTRIBUTION, OUT_OF_DISTRIBUTION, EvalSet, judge, prepare_sets
from routerdc.evaluation.measures.references import best_single, dataset_expert, hindsight_expert, oracle, single_llm
from routerdc.evaluation.measures.selection import Contender, Floats
from tests.support.data.public import ROUTERDC, needs_routerdc

KIN = {"MATH_prealgebra": "gsm8k", "mbpp": "humaneval", "ceval": "cmmlu"}


@cache
def paper() -> tuple[list[Dataset], list[EvalSet]]:
    train = load_all(ROUTERDC / "train")
    llms = pool(train)
    test = load_all([ROUTERDC / "test_in_distribution", ROUTERDC / "test_out_of_distribution"])
    return [dataset.aligned(llms) for dataset in train], prepare_sets(test, train, llms)


def kin_expert(train: Sequence[Dataset], sets: Sequence[EvalSet]) -> Contender:
    """The expert with one direction per task in place of embeddings, so that the centroids are known."""
    task = {query: KIN.get(one.name, one.name) for one in [*train, *(s.dataset for s in sets)] for query in one.queries}
    axes = {name: axis for axis, name in enumerate(sorted(set(task.values())))}

    def embed(queries: Sequence[str]) -> Floats:
        return np.eye(len(axes), dtype=np.float32)[[axes[task[query]] for query in queries]]

    return dataset_expert(train, embed)


@needs_routerdc
@pytest.mark.parametrize(
    ("contender", "inside", "outside"),
    [
        (lambda train, _: single_llm(best_single(train)), 54.56, 43.95),
        (kin_expert, 58.67, 46.17),
        (lambda *_: hindsight_expert, 58.70, 46.36),
        (lambda *_: oracle, 77.52, 70.34),
    ],
    ids=["best single LLM", "expert per data set", "hindsight", "oracle"],
)
def test_known_averages_are_reproduced_to_the_last_digit(
    contender: Callable[[Sequence[Dataset], Sequence[EvalSet]], Contender], inside: float, outside: float
) -> None:
    train, sets = paper()
    judged = judge("x", "reference", contender(train, sets), sets)
    groups = {group: [one.name for one in sets if one.group == group] for group in {one.group for one in sets}}
    assert round(100 * judged.mean(groups[IN_DISTRIBUTION]), 2) == inside
    assert round(100 * judged.mean(groups[OUT_OF_DISTRIBUTION]), 2) == outside


def test_an_llm_that_was_graded_on_easy_rows_alone_is_not_the_best_single_one() -> None:
    scores = np.array([[0.9, 1.0], [0.9, 1.0], [1.0, 0.9], [0.2, np.nan], [0.2, np.nan]], dtype=np.float32)
    easy = Dataset("one", tuple("abcde"), ("strong", "asked what is easy"), scores)
    hard = Dataset("two", tuple("fg"), easy.llms, np.array([[0.6, 0.2], [0.6, np.nan]], dtype=np.float32))
    assert best_single([easy, hard]) == 0
    assert np.nanmean(scores, axis=0).argmax() == 1
