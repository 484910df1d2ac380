"""Cost against quality: hulls and areas by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from routerdc.evaluation.measures.cost import (
    Points,
    Workload,
    aiq,
    cost_to_reach,
    cost_weights,
    hull,
    quality_at,
    single_llms,
    trade,
)

POINTS = np.array([[4.0, 0.8], [1.0, 0.4], [2.0, 0.45], [3.0, 0.3], [5.0, 0.7]])


def workload(quality: object, costs: object, expected: object) -> Workload:
    return Workload(*(np.array(table, dtype=np.float32) for table in (quality, costs, expected)))


def test_hull_starts_at_the_origin_and_never_falls() -> None:
    np.testing.assert_array_equal(hull(POINTS), np.array([[0, 0], [1, 0.4], [4, 0.8]]))


def test_area_by_hand() -> None:
    # from 1 to 4 the hull rises from 0.4 to 0.8, from 4 to 5 it stays level
    assert aiq(hull(POINTS), 1, 5) == pytest.approx((3 * 0.6 + 1 * 0.8) / 4)


def test_area_left_of_the_first_point_follows_the_line_to_the_origin() -> None:
    assert aiq(hull(np.array([[2.0, 0.5]])), 0, 2) == pytest.approx(0.25)
    np.testing.assert_allclose(quality_at(hull(np.array([[2.0, 0.5]])), [1, 2, 9]), [0.25, 0.5, 0.5])


def test_cost_to_reach_a_quality_by_interpolation() -> None:
    vertices = hull(POINTS)
    assert cost_to_reach(vertices, 0.6) == pytest.approx(2.5)
    assert cost_to_reach(vertices, 0.8) == 4
    assert cost_to_reach(vertices, 0.81) is None


@settings(deadline=None)
@given(
    points=hnp.arrays(np.float64, (8, 2), elements=st.floats(0.01, 1)),
    extra=hnp.arrays(np.float64, (3, 2), elements=st.floats(0.01, 1)),
)
def test_hull_is_above_every_point_concave_and_grows_with_more_points(points: Points, extra: Points) -> None:
    vertices = hull(points)
    assert (quality_at(vertices, points[:, 0]) >= points[:, 1] - 1e-9).all()
    assert (np.diff(vertices, axis=0) > 0).all()
    slopes = np.diff(vertices[:, 1]) / np.diff(vertices[:, 0])
    assert (np.diff(slopes) <= 1e-6 * np.abs(slopes[1:])).all()
    larger = hull(np.concatenate([points, extra]))
    assert aiq(larger, 0.01, 1) >= aiq(vertices, 0.01, 1) - 1e-9


def test_weights_go_from_quality_alone_to_the_cheapest_llm() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    load = workload([[1, 0], [0, 1]], [[10, 1], [10, 1]], [10, 1])
    points = trade(scores, load).points()
    np.testing.assert_allclose(points[0], [5.5, 1.0])
    np.testing.assert_allclose(points[-1], [1.0, 0.5])
    assert cost_weights(scores, load.expected)[0] == 0


def test_expected_costs_decide_and_real_costs_are_paid() -> None:
    load = workload([[0.5, 0.5]], [[7, 1]], [1, 2])  # this query turns out dear on the LLM that is usually cheap
    assert trade(np.zeros((1, 2), dtype=np.float32), load).points()[-1].tolist() == [7, 0.5]


def test_rows_count_only_for_llms_that_know_them() -> None:
    load = workload([[1, np.nan], [0, 1]], [[2, np.nan], [4, 1]], [3, 1])
    np.testing.assert_allclose(single_llms(load).points(), np.array([[3, 0.5], [1, 1]]))
    chosen = trade(np.array([[0, 1], [0, 1]], dtype=np.float32), load)
    np.testing.assert_allclose(chosen.points()[0], [1.5, 1.0])


def test_resampled_points_weigh_rows_by_their_counts() -> None:
    load = workload([[1], [0]], [[2], [4]], [3])
    np.testing.assert_allclose(single_llms(load).resampled_points(np.array([[3.0, 1.0]])), [[[2.5, 0.75]]])


@settings(deadline=None)
@given(order=st.permutations(range(3)))
def test_order_of_the_llms_changes_nothing(order: list[int]) -> None:
    generator = np.random.default_rng(0)
    quality, costs, scores = (generator.random((40, 3)).astype(np.float32) for _ in range(3))
    expected = costs.mean(axis=0)
    straight = trade(scores, Workload(quality, costs, expected), settings=30)
    mixed = trade(scores[:, order], Workload(quality[:, order], costs[:, order], expected[order]), settings=30)
    np.testing.assert_allclose(mixed.points(), straight.points())
