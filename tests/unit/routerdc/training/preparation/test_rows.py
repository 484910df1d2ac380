from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from routerdc.data.dataset import Dataset
from routerdc.training.preparation.recipe_parts import DataRecipe
from routerdc.training.preparation.rows import data_sha256, lay_out

RECIPE = DataRecipe(labels="quality", clusters="data_set", n_clusters=3, without_templates=False, held_out=0.2)


def _features(queries: Sequence[str]) -> npt.NDArray[np.float32]:
    return np.array([[len(query), query.count("a"), 1] for query in queries], dtype=np.float32)


def _dataset(name: str, rows: int, llms: tuple[str, ...] = ("x", "y"), clusters: bool = False) -> Dataset:
    scores = np.random.default_rng(rows).random((rows, len(llms))).astype(np.float32)
    ids = np.arange(rows) % 2 if clusters else None
    return Dataset(name, tuple(f"{name} {'a' * (i % 7)} {i}" for i in range(rows)), llms, scores, cluster_ids=ids)


def test_held_out_rows_are_a_share_of_each_data_set_and_not_learned_from() -> None:
    data = lay_out([_dataset("one", 50), _dataset("two", 10)], RECIPE, _features, seed=0)
    assert np.bincount(data.held_out.data_set).tolist() == [10, 2]
    assert not set(data.held_out.queries) & set(data.learn.queries)
    assert len(data.learn) + len(data.held_out) == 60


def test_rows_that_a_plan_has_mixed_up_are_not_held_out_and_half_of_the_others_teach() -> None:
    many, few = _dataset("one", 200), _dataset("two", 400)
    many, few = replace(many, steered=np.arange(200) < 100), replace(few, steered=np.arange(400) < 340)
    data = lay_out([many, few], RECIPE, _features, seed=0)
    assert np.bincount(data.held_out.data_set).tolist() == [40, 30]
    assert not set(data.held_out.queries) & {*many.queries[:100], *few.queries[:340]}


def test_columns_meet_by_name_and_an_llm_unknown_to_a_data_set_is_nan_there() -> None:
    one, two = _dataset("one", 10, ("x", "y")), _dataset("two", 10, ("z", "y"))
    data = lay_out([one, two], RECIPE.model_copy(update={"held_out": 0.0}), _features, seed=0)
    assert data.llms == ("x", "y", "z")
    np.testing.assert_array_equal(data.learn.quality[:10, 1], one.scores[:, 1])
    np.testing.assert_array_equal(data.learn.quality[10:, 1], two.scores[:, 1])
    assert np.isnan(data.learn.quality[:10, 2]).all()


def test_rows_per_data_set_leaves_out_and_repeats() -> None:
    recipe = RECIPE.model_copy(update={"rows_per_data_set": 20, "held_out": 0.0})
    data = lay_out([_dataset("one", 50), _dataset("two", 8)], recipe, _features, seed=0)
    assert np.bincount(data.learn.data_set).tolist() == [20, 20]
    assert len(set(data.learn.queries[:20])) == 20
    assert len(set(data.learn.queries[20:])) == 8


@pytest.mark.parametrize(("clusters", "expected"), [("given", 2), ("data_set", 2)])
def test_clusters_are_those_given_or_the_data_sets(clusters: str, expected: int) -> None:
    recipe = RECIPE.model_copy(update={"clusters": clusters})
    datasets = [_dataset("one", 20, clusters=True), _dataset("two", 20, clusters=True)]
    data = lay_out(datasets, recipe, _features, seed=0)
    assert len(np.unique(data.learn.clusters)) == expected
    if clusters == "given":
        assert not np.array_equal(data.learn.clusters, data.learn.data_set)


@pytest.mark.parametrize("clusters", ["given", "data_set"])
def test_clusters_are_computed_where_there_are_none(clusters: str) -> None:
    data = lay_out([_dataset("one", 40)], RECIPE.model_copy(update={"clusters": clusters}), _features, seed=0)
    assert len(np.unique(data.learn.clusters)) == 3


def test_copies_without_templates_keep_their_labels() -> None:
    dataset = Dataset("q", ("Question: why?\nAnswer:", "how?"), ("x",), np.array([[0.2], [0.7]], dtype=np.float32))
    recipe = RECIPE.model_copy(update={"without_templates": True, "held_out": 0.0})
    learn = lay_out([dataset], recipe, _features, seed=0).learn
    assert learn.queries == ("Question: why?\nAnswer:", "how?", "why?")
    np.testing.assert_array_equal(learn.labels[:, 0], np.array([0.2, 0.7, 0.2], dtype=np.float32))


def test_data_hash_follows_names_queries_and_scores() -> None:
    base = _dataset("one", 10)
    changed = base.scores.copy()
    changed[3, 1] += 0.1
    others = [_dataset("two", 10), Dataset("one", base.queries, base.llms, changed), base.select(range(9))]
    hashes = {data_sha256([dataset]) for dataset in [base, *others]}
    assert len(hashes) == 4
