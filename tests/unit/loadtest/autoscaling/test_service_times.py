import pytest

from loadtest.autoscaling.service_times import ServiceTimes


def test_between_measured_sizes_lie_straight_lines() -> None:
    service = ServiceTimes.between({1: 0.004, 3: 0.008, 4: 0.009})
    assert [service.of(n) for n in (1, 2, 3, 4)] == pytest.approx([0.004, 0.006, 0.008, 0.009])
    assert service.capacity == pytest.approx(4 / 0.009)


def test_a_time_for_one_query_is_needed() -> None:
    with pytest.raises(ValueError, match="one query"):
        ServiceTimes.between({2: 0.01})


def test_the_committed_measurement_can_be_read_and_batches_pay() -> None:
    service = ServiceTimes.read()
    assert service.capacity > 1 / service.of(1)
    assert all(a < b for a, b in zip(service.seconds, service.seconds[1:], strict=False))


def test_slower_cores_take_longer_for_everything() -> None:
    service = ServiceTimes.between({1: 0.004, 2: 0.006})
    assert service.slower(2).of(2) == pytest.approx(0.012)
