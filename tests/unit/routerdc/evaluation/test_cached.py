"""Results kept on disk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from routerdc.evaluation.cached import Cached
from routerdc.evaluation.selection import Floats


def lengths(queries: Sequence[str]) -> Floats:
    return np.array([[len(query)] for query in queries], dtype=np.float32)


def refuse(queries: Sequence[str]) -> Floats:
    raise AssertionError(f"computed again: {queries}")


def test_second_call_computes_nothing_and_rows_keep_their_order(tmp_path: Path) -> None:
    queries = ["ccc", "a", "", "bb"]
    np.testing.assert_array_equal(Cached(lengths, "id", "x", tmp_path)(queries).ravel(), [3, 1, 0, 2])
    np.testing.assert_array_equal(Cached(refuse, "id", "x", tmp_path)(queries).ravel(), [3, 1, 0, 2])


def test_other_identity_or_other_queries_are_computed(tmp_path: Path) -> None:
    Cached(lengths, "id", "x", tmp_path)(["ab", "c"])
    Cached(lengths, "other", "x", tmp_path)(["ab", "c"])
    Cached(lengths, "id", "x", tmp_path)(["a", "bc"])
    assert len(list(tmp_path.iterdir())) == 3
