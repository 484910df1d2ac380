import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from routerdc.data.dataset import Dataset
from routerdc.training.neighbours import SHOWN_CHARACTERS, neighbours_of


class LengthRouter:
    """Embeds a text as its length, in the first of two numbers."""

    def embed(self, queries: Sequence[str]) -> Any:
        return np.array([[len(query), 0] for query in queries], np.float32)


def read(datasets: Sequence[Dataset], count: int, seed: int = 0) -> Mapping[str, Any]:
    content = neighbours_of(LengthRouter(), datasets, count, seed)  # type: ignore[arg-type]
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def dataset(name: str, llms: Sequence[str], rows: Mapping[str, Sequence[float]]) -> Dataset:
    return Dataset(name, tuple(rows), tuple(llms), np.array(list(rows.values()), np.float32))


NAN = float("nan")
MANY = dataset("many", ["a"], {f"query {i:03}": [i % 2] for i in range(100)})


def test_as_many_as_are_wanted_are_drawn_by_seed() -> None:
    first, same, other = (read([MANY], 20, seed)["queries"].tolist() for seed in (0, 0, 1))
    assert len(set(first)) == 20
    assert first == same != other


def test_fewer_rows_than_wanted_are_all_taken() -> None:
    assert read([MANY], 1000)["queries"].tolist() == list(MANY.queries)


def test_grades_are_of_every_llm_of_the_pool_and_rows_without_any_are_left_out() -> None:
    found = read(
        [
            dataset("one", ["a", "b"], {"x": [1, NAN], "ungraded": [NAN, NAN]}),
            dataset("two", ["b", "c"], {"y": [0, 1]}),
        ],
        10,
    )
    assert (found["queries"].tolist(), found["llms"].tolist()) == (["x", "y"], ["a", "b", "c"])
    np.testing.assert_array_equal(found["grades"], [[1, NAN, NAN], [NAN, 0, 1]])


def test_a_long_text_is_cut_but_its_embedding_is_of_all_of_it() -> None:
    found = read([dataset("long", ["a"], {"ü" * 999: [1]})], 1)
    assert found["queries"].tolist() == ["ü" * SHOWN_CHARACTERS]
    assert found["embeddings"][0, 0] == 999
