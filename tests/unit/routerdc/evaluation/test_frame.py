"""The plain methods beside every router."""

import numpy as np

from routerdc.data.dataset import Dataset
from routerdc.evaluation.baselines.domain_expert import domain_expert
from routerdc.evaluation.baselines.knn import knn_with_prior
from routerdc.evaluation.baselines.training_rows import TrainingRows
from tests.support.data.two_subjects import LLMS, dataset, embed

TRAIN = [dataset("sums", "sum", 80, 1), dataset("verses", "verse", 60, 2)]


def test_the_domain_expert_recognises_the_domain_and_asks_its_best_llm() -> None:
    scores = domain_expert(TrainingRows.of(TRAIN, embed), embed)(["sum of all", "verse of all"])
    assert [LLMS[column] for column in scores.argmax(axis=1)] == ["mathematician", "poet"]


def test_tasks_of_the_rows_are_domains_where_the_data_name_them() -> None:
    sums, verses = TRAIN
    tasks = ("sum",) * len(sums) + ("verse",) * len(verses)
    mixed = Dataset("mixed", sums.queries + verses.queries, LLMS, np.vstack([sums.scores, verses.scores]), tasks=tasks)
    scores = domain_expert(TrainingRows.of([mixed], embed), embed)(["sum of all", "verse of all"])
    assert [LLMS[column] for column in scores.argmax(axis=1)] == ["mathematician", "poet"]


def test_a_query_far_from_all_rows_gets_the_prior() -> None:
    rows = TrainingRows.of(TRAIN, embed)

    def opposite(queries: object) -> np.ndarray:  # type: ignore[type-arg]
        return -embed(["sum"]) if queries == ["far"] else embed(queries)  # type: ignore[arg-type]

    near, far = knn_with_prior(rows, opposite)(["sum of all"]), knn_with_prior(rows, opposite)(["far"])
    np.testing.assert_allclose(far[0], rows.mean(), rtol=1e-5)
    assert near[0].argmax() == 0
