"""The comparison with heuristics' tiers: what both sides may know, and that they pay alike."""

import numpy as np

from examples.litellm.compare_tiers import Rows, by_tier, interval, outcomes
from routerdc.data.dataset import Dataset

CHEAP, DEAR = 0, 1
LLMS = ("cheap", "dear")


def rows(grades: list[list[int]], tiers: list[str]) -> Rows:
    queries = tuple(f"query {n}" for n in range(len(grades)))
    costs = np.tile([1.0, 10.0], (len(grades), 1))
    return Rows(queries, np.array(grades, dtype=float), costs, np.array(tiers))


TRAIN = rows([[1, 1], [1, 0], [0, 1], [0, 1]], ["EASY", "EASY", "HARD", "HARD"])
PRICE = np.array([0.1, 1.0])


def test_each_tier_has_the_llm_that_was_best_on_its_training_rows() -> None:
    tiers = np.array(["HARD", "EASY", "NEW"])
    assert by_tier(TRAIN, tiers, PRICE, 0.0).tolist() == [DEAR, CHEAP, DEAR]
    assert by_tier(TRAIN, tiers, PRICE, 10.0).tolist() == [CHEAP, CHEAP, CHEAP]


def test_the_router_pays_no_more_than_the_heuristics_whatever_the_grades() -> None:
    scores = np.array([[0.0, 3.0], [0.0, 2.0], [0.0, 1.0], [0.0, 0.5]])
    for grades in ([[0, 1]] * 4, [[1, 0]] * 4):
        test = rows(grades, ["HARD", "EASY", "EASY", "HARD"])
        for _, found in outcomes(TRAIN, test, scores):
            assert found.our_cost.mean() <= found.their_cost.mean()
    *_, (share, found) = outcomes(TRAIN, rows([[0, 1]] * 4, ["HARD", "EASY", "EASY", "HARD"]), scores)
    assert (share, found.ours.tolist(), found.theirs.tolist()) == (1.0, [1, 1, 0, 0], [1, 0, 0, 1])


def test_a_query_that_some_llm_was_not_graded_on_is_left_out() -> None:
    scores = np.array([[1.0, np.nan], [0.0, 1.0]], dtype=np.float32)
    found = Rows.of([Dataset("set", ("a", "b"), LLMS, scores)], {"a": "EASY", "b": "HARD"}, {"dear": 2.0})
    assert (found.queries, found.tiers.tolist(), found.costs.tolist()) == (("b",), ["HARD"], [[0.0, 2.0]])


def test_the_difference_has_an_interval() -> None:
    mean, low, high = interval(np.array([1.0, 0.0, 0.0, 1.0] * 50))
    assert low < mean < high
    assert mean == 50.0
