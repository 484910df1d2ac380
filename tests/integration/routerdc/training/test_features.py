from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from routerdc.encoder_source import pin_encoder
from routerdc.training.encoder import open_encoder
from routerdc.training.preparation.features import FeatureCache, cache_file
from tests.support.data.tiny import tiny_recipe


class _Counting:
    def __init__(self) -> None:
        self.encoded: list[str] = []

    def __call__(self, queries: Sequence[str]) -> npt.NDArray[np.float32]:
        self.encoded += queries
        return np.array([[len(query), ord(query[0])] for query in queries], dtype=np.float32)


def test_no_query_is_encoded_twice_not_even_by_a_later_run(tmp_path: Path) -> None:
    first, later = _Counting(), _Counting()
    path = tmp_path / "deep" / "features.npz"
    np.testing.assert_array_equal(FeatureCache(first, path)(["a", "bb", "a"]), [[1, 97], [2, 98], [1, 97]])
    assert first.encoded == ["a", "bb"]
    np.testing.assert_array_equal(FeatureCache(later, path)(["ccc", "bb"]), [[3, 99], [2, 98]])
    assert later.encoded == ["ccc"]


def test_every_way_of_encoding_has_its_own_file(encoder_folder: Path) -> None:
    recipe = tiny_recipe(encoder_folder).encoder
    sha256 = pin_encoder("tiny", recipe.sources)[1]
    ways: list[dict[str, Any]] = [{}, {"layers": 1}, {"max_tokens": 9}, {"truncation_side": "left"}, {"pooling": "cls"}]
    files = {cache_file(Path(), recipe.model_copy(update=way), sha256) for way in ways}
    assert len(files | {cache_file(Path(), recipe, "0" * 64)}) == 6


def test_features_do_not_depend_on_batch_neighbours(encoder_folder: Path) -> None:
    recipe = tiny_recipe(encoder_folder).encoder
    encoder = open_encoder(recipe, cache=None)
    queries = ["add w1", "code w1 w2 w3 w4 w5 w6", "sum"]
    together = open_encoder(recipe, cache=None).features(queries)
    alone = np.concatenate([encoder.features([query]) for query in queries])
    np.testing.assert_allclose(together, alone, atol=1e-5)
