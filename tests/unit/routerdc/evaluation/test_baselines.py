"""Baselines learn what embeddings tell, and cope with missing scores."""

from collections.abc import Sequence

import numpy as np
import pytest

from routerdc.data.dataset import Dataset
from routerdc.evaluation.baselines.kmeans_experts import kmeans_experts
from routerdc.evaluation.baselines.knn import knn
from routerdc.evaluation.baselines.linear_probe import linear_probe
from routerdc.evaluation.baselines.training_rows import TrainingRows, masked_mean
from routerdc.evaluation.measures.selection import Floats

NAN = np.nan


def embed(queries: Sequence[str]) -> Floats:
    """Two directions: mathematics and poetry."""
    vectors = {"m": [1.0, 0.1], "p": [0.1, 1.0]}
    table = np.array([[*vectors[query[0]]] for query in queries], dtype=np.float32)
    return np.asarray(table / np.linalg.norm(table, axis=1, keepdims=True))


def training(extra_column: float = 0.3) -> Dataset:
    queries = tuple(f"m{i}" for i in range(20)) + tuple(f"p{i}" for i in range(20))
    quality = np.array([[0.9, 0.1, extra_column]] * 20 + [[0.2, 0.8, extra_column]] * 20, dtype=np.float32)
    quality[0, 0] = NAN
    return Dataset("both", queries, ("math", "poet", "other"), quality)


@pytest.mark.parametrize("extra_column", [0.3, 0.0, 1.0, NAN])
def test_every_baseline_prefers_the_llm_that_is_better_nearby(extra_column: float) -> None:
    rows = TrainingRows.of([training(extra_column)], embed)
    for scorer in (knn(rows, embed, neighbours=5), kmeans_experts(rows, embed, clusters=2), linear_probe(rows, embed)):
        scores = scorer(["m-new", "p-new"])
        assert scores.shape == (2, 3)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()
        assert scores[0, 0] > scores[0, 1]
        assert scores[1, 1] > scores[1, 0]


def test_nearest_neighbours_average_known_qualities_by_hand() -> None:
    scores = knn(TrainingRows.of([training()], embed), embed, neighbours=20)(["m"])
    np.testing.assert_allclose(scores, [[0.9, 0.1, 0.3]], atol=1e-6)


def test_masked_mean_falls_back_where_nothing_is_known() -> None:
    quality = np.array([[1, NAN], [0.5, NAN]], dtype=np.float32)
    default = np.array([0.1, 0.2], dtype=np.float32)
    np.testing.assert_allclose(masked_mean(quality, default), [0.75, 0.2])
