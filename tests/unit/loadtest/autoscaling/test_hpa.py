import pytest

from loadtest.autoscaling.hpa import Autoscaler, Behavior, Policy, Rules, desired_for_average, desired_for_value

AT_ONCE = Rules(0, (Policy("Percent", 1000, 15),))


@pytest.mark.parametrize(
    ("current", "metric", "target", "desired"),
    [
        (4, 100, 100, 4),
        (4, 200, 100, 8),
        (4, 109, 100, 4),  # within the tolerance
        (4, 111, 100, 5),  # rounded up
        (4, 91, 100, 4),
        (4, 74, 100, 3),
        (4, 0, 100, 0),
    ],
)
def test_a_metric_of_type_value_scales_what_there_is(current: int, metric: float, target: float, desired: int) -> None:
    """desiredReplicas = ceil(currentReplicas * currentMetric / target), unless the ratio is within 0.1 of 1."""
    assert desired_for_value(current, metric, target) == desired


@pytest.mark.parametrize(
    ("current", "metric", "desired"), [(4, 400, 4), (4, 430, 4), (4, 450, 5), (4, 1000, 10), (10, 100, 1), (4, 0, 0)]
)
def test_a_metric_of_type_average_value_is_shared_out(current: int, metric: float, desired: int) -> None:
    assert desired_for_average(current, metric, target=100) == desired


def test_scaling_up_by_default_doubles_or_adds_four_every_15_seconds_whichever_is_more() -> None:
    scaler = Autoscaler(1, 100)
    replicas = [1]
    for i in range(5):
        replicas.append(scaler.replicas(15.0 * i, replicas[-1], desired=90))
    assert replicas == [1, 5, 10, 20, 40, 80]


def test_a_policy_counts_what_was_added_within_its_period() -> None:
    scaler = Autoscaler(1, 100, Behavior(scale_up=Rules(0, (Policy("Pods", 4, 60),))))
    assert scaler.replicas(0, 2, 50) == 6
    assert scaler.replicas(15, 6, 50) == 6
    assert scaler.replicas(61, 6, 50) == 10


def test_scaling_down_waits_until_the_whole_window_agrees() -> None:
    scaler = Autoscaler(1, 100, Behavior(scale_down=Rules(300, (Policy("Percent", 100, 15),))))
    assert scaler.replicas(0, 10, 10) == 10
    assert [scaler.replicas(15.0 * i, 10, 3) for i in range(1, 21)] == [10] * 20
    assert scaler.replicas(15.0 * 21, 10, 3) == 3


def test_scaling_down_goes_no_further_than_the_highest_recommendation_of_the_window() -> None:
    scaler = Autoscaler(1, 100, Behavior(scale_down=Rules(60, (Policy("Percent", 100, 15),))))
    assert scaler.replicas(0, 10, 6) == 6
    assert scaler.replicas(15, 6, 2) == 6
    assert scaler.replicas(76, 6, 4) == 4


def test_scaling_up_with_a_window_takes_the_lowest_recommendation_in_it() -> None:
    scaler = Autoscaler(1, 100, Behavior(scale_up=Rules(30, AT_ONCE.policies)))
    assert scaler.replicas(0, 2, 2) == 2
    assert scaler.replicas(15, 2, 9) == 2
    assert scaler.replicas(31, 2, 8) == 8


def test_a_percent_policy_bounds_scaling_down() -> None:
    scaler = Autoscaler(1, 100, Behavior(scale_down=Rules(0, (Policy("Percent", 50, 60),))))
    assert scaler.replicas(0, 10, 1) == 5
    assert scaler.replicas(15, 5, 1) == 5
    assert scaler.replicas(61, 5, 1) == 2


@pytest.mark.parametrize(("desired", "expected"), [(0, 3), (1000, 12)])
def test_replicas_stay_between_least_and_most(desired: int, expected: int) -> None:
    behavior = Behavior(AT_ONCE, Rules(0, (Policy("Percent", 100, 15),)))
    assert Autoscaler(3, 12, behavior).replicas(0, 6, desired) == expected
