"""The shipped bundle keeps its promise on the paper's test sets: the first rows of each, so that seconds are enough."""

from functools import cache
from pathlib import Path

import numpy as np

from routerdc.data.loading import load_all
from routerdc.evaluation.measures.judging import Judged, by_queries, judge, prepare_sets
from routerdc.evaluation.measures.references import best_single, single_llm
from routerdc.evaluation.measures.selection import collapsed_to
from routerdc.loaded_bundle import Router
from tests.support.data.public import ROUTERDC, needs_routerdc

BUNDLE = Path(__file__).parents[4] / "bundles" / "default"
ROWS_PER_SET = 200


@cache
def judged() -> tuple[Judged, Judged]:
    """The shipped router, and the best single LLM chosen on train, on the test sets in distribution."""
    router = Router.load(BUNDLE)
    train = [dataset.aligned(router.llms) for dataset in load_all(ROUTERDC / "train")]
    whole = load_all(ROUTERDC / "test_in_distribution")
    test = [dataset.select(np.arange(len(dataset)) < ROWS_PER_SET) for dataset in whole]
    sets = prepare_sets(test, train, router.llms)
    best = single_llm(best_single(train))
    return judge("router", "router", by_queries(router.score), sets), judge("best", "reference", best, sets)


@needs_routerdc
def test_choices_are_clearly_better_than_the_best_single_llm() -> None:
    router, best = judged()
    names = list(router.quality)
    assert len(names) == 5
    assert 100 * router.mean(names) > 57.0  # measured on these rows: 57.5; on all rows 58.6
    assert 100 * (router.mean(names) - best.mean(names)) > 3.0  # 4.0 on these rows


@needs_routerdc
def test_choices_have_not_collapsed() -> None:
    router, _ = judged()
    share = router.share(list(router.quality))
    assert collapsed_to(share.tolist(), [str(column) for column in range(len(share))]) is None
    assert (share > 0.1).sum() >= 3
