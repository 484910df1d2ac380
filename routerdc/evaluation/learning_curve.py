"""What more labels would buy: quality on the test sets against the number of graded training queries.

The learner is kNN with a prior: it needs no training, so the curve costs seconds, and it stands near the best of the
frame on every data set tried. Each point is the mean over several draws of the training rows.
"""

from collections.abc import Sequence

import numpy as np

from routerdc.evaluation.baselines.knn import knn_with_prior
from routerdc.evaluation.baselines.training_rows import TrainingRows
from routerdc.evaluation.measures.judging import EvalSet, by_queries, judge
from routerdc.evaluation.measures.references import Embed
from routerdc.evaluation.measures.report import LearningPoint

SHARES = (0.125, 0.25, 0.5, 1.0)
DRAWS = 5
LEAST_ROWS = 40
"""Below so many training queries there is no curve to speak of."""


def learning_curve(rows: TrainingRows, embed: Embed, sets: Sequence[EvalSet], seed: int) -> list[LearningPoint]:
    """Points from an eighth of the training rows to all of them; empty with fewer than `LEAST_ROWS` rows."""
    count = len(rows.features)
    if count < LEAST_ROWS:
        return []
    return [_point(rows, embed, sets, seed, round(share * count)) for share in SHARES]


def _point(rows: TrainingRows, embed: Embed, sets: Sequence[EvalSet], seed: int, size: int) -> LearningPoint:
    draws = DRAWS if size < len(rows.features) else 1
    generator = np.random.default_rng([seed, size])
    found = [_quality(rows.select(generator.permutation(len(rows.features))[:size]), embed, sets) for _ in range(draws)]
    groups = {group: [one[group] for one in found] for group in found[0]}
    return LearningPoint(
        rows=size,
        quality={group: float(np.mean(values)) for group, values in groups.items()},
        spread={group: float(np.std(values)) for group, values in groups.items()},
    )


def _quality(rows: TrainingRows, embed: Embed, sets: Sequence[EvalSet]) -> dict[str, float]:
    judged = judge("kNN", "baseline", by_queries(knn_with_prior(rows, embed)), sets)
    groups = dict.fromkeys(test.group for test in sets)
    return {group: 100 * judged.mean([test.name for test in sets if test.group == group]) for group in groups}
