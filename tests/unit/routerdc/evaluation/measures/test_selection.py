"""Choices from scores, and what they earn."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from routerdc.evaluation.measures.selection import Floats, collapsed_to, earned, nan_mean, selection

NAN, INF = np.nan, np.inf


def test_largest_known_score_wins_and_ties_share() -> None:
    scores = np.array([[3, 2, 1], [3, 2, 1], [1, 1, 0], [0, 0, 0]], dtype=np.float32)
    known = np.array([[1, 1, 1], [0, 1, 1], [1, 1, 1], [1, 1, 0]], dtype=bool)
    expected = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]])
    np.testing.assert_array_equal(selection(scores, known), expected)


def test_excluded_or_unknown_llms_leave_nothing_to_choose() -> None:
    chosen = selection([[-INF, 1.0], [-INF, -INF]], [[True, False], [True, True]])
    np.testing.assert_array_equal(chosen, np.zeros((2, 2)))
    assert np.isnan(earned(chosen, np.ones((2, 2), dtype=np.float32))).all()


def test_earned_is_the_expected_quality_of_the_choice_and_ignores_unknown_llms() -> None:
    chosen = np.array([[1, 0], [0.5, 0.5]], dtype=np.float32)
    values = np.array([[0.25, NAN], [1.0, 0.5]], dtype=np.float32)
    np.testing.assert_array_equal(earned(chosen, values), [0.25, 0.75])


def test_wrong_shape_and_nan_scores_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 2\), but \(1, 3\)"):
        selection([[1.0, 2.0]], [[True] * 3])
    with pytest.raises(ValueError, match="1 queries got NaN"):
        selection([[1.0, NAN], [1.0, 0.0]], [[True, True]] * 2)


@settings(deadline=None)
@given(
    scores=hnp.arrays(np.float32, (6, 4), elements=st.sampled_from([0.0, 0.5, 1.0])),
    known=hnp.arrays(np.bool_, (6, 4)),
    quality=hnp.arrays(np.float32, (6, 4), elements=st.floats(0, 1, width=32)),
    order=st.permutations(range(4)),
)
def test_order_of_the_columns_changes_nothing(
    scores: Floats, known: npt.NDArray[np.bool_], quality: Floats, order: list[int]
) -> None:
    chosen = selection(scores, known)
    permuted = selection(scores[:, order], known[:, order])
    np.testing.assert_array_equal(permuted, chosen[:, order])
    np.testing.assert_allclose(earned(permuted, quality[:, order]), earned(chosen, quality))
    assert set(chosen.sum(axis=1).round(5)) <= {0.0, 1.0}
    assert not chosen[~known].any()


def test_collapse_is_named_from_the_threshold_on() -> None:
    assert collapsed_to([0.05, 0.95], ["a", "b"]) == "b"
    assert collapsed_to([0.06, 0.94], ["a", "b"]) is None
    assert collapsed_to([1.0], ["a"]) is None


def test_mean_ignores_nan_and_is_nan_without_values() -> None:
    np.testing.assert_array_equal(nan_mean(np.array([[1, NAN], [0, NAN], [NAN, NAN]])), [0.5, NAN])
