"""Shapes: how many users there are when, and where the ramp stops."""

from types import SimpleNamespace
from typing import Any

import pytest
from locust import events
from locust.argument_parser import LocustArgumentParser

from loadtest.shapes.plan import PlannedShape
from loadtest.shapes.ramp import Ramp, Saturation
from loadtest.shapes.soak import Soak
from loadtest.shapes.spike import Spike
from loadtest.shapes.steps import Steps

OPTIONS = {
    "num_users": 40,
    "spawn_rate": 5,
    "run_time": 100,
    "steps": 4,
    "spike_factor": 10.0,
    "wave_seconds": 20.0,
    "ramp_seconds": 0.0,
    "ramp_gain": 0.05,
}


def shaped(kind: type[PlannedShape], **stats: Any) -> Any:
    shape: Any = kind()
    total = SimpleNamespace(num_requests=0, num_failures=0)
    environment = SimpleNamespace(parsed_options=SimpleNamespace(**OPTIONS))
    shape.runner = SimpleNamespace(environment=environment, stats=SimpleNamespace(total=total))
    return shape


def test_steps_rise_in_equal_stairs_to_all_users() -> None:
    assert [shaped(Steps).users_at(seconds) for seconds in (0, 24, 26, 51, 76, 99)] == [10, 10, 20, 30, 40, 40]


def test_a_spike_is_in_the_middle_third_and_comes_at_once() -> None:
    spike = shaped(Spike)
    assert [spike.users_at(seconds) for seconds in (0, 33, 34, 66, 67, 99)] == [40, 40, 400, 400, 40, 40]
    assert spike.spawn_rate >= 360


def test_a_soak_comes_and_goes_between_half_and_all() -> None:
    soak = shaped(Soak)
    users = [soak.users_at(seconds) for seconds in range(41)]
    assert (users[0], users[10], users[20], users[30]) == (20, 40, 20, 40)
    assert (min(users), max(users)) == (20, 40)


@pytest.mark.parametrize("kind", [Steps, Spike, Soak])
def test_shapes_end_after_the_run_time(kind: type[PlannedShape]) -> None:
    shape = shaped(kind)
    assert shape.tick() is not None
    shape.start_time -= 101
    assert shape.tick() is None


def test_the_service_is_saturated_after_two_steps_without_gain() -> None:
    saturation = Saturation(gain=0.05)
    answers = [(1, 100.0), (2, 190.0), (3, 195.0), (4, 240.0), (5, 245.0), (6, 241.0)]
    assert [saturation.reached(users, per_second) for users, per_second in answers] == [False] * 5 + [True]
    assert (saturation.best_users, saturation.best_per_second) == (4, 240.0)


def test_the_ramp_grows_until_more_users_bring_no_more_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    ramp, now = shaped(Ramp), 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    seen = list[int]()
    while (tick := ramp.tick()) is not None and len(seen) < 30:
        seen.append(tick[0])
        now += 10
        ramp.runner.stats.total.num_requests += 10 * min(seen[-1], 8) * 20  # eight users saturate it
    assert seen == [1, 2, 3, 4, 5, 7, 9, 12, 15]
    assert ramp.saturation.best_users == 9


def test_the_ramp_ends_at_the_most_users_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    ramp, now = shaped(Ramp), 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    ramp.runner.environment.parsed_options.num_users = 3
    seen = list[int]()
    while (tick := ramp.tick()) is not None and len(seen) < 30:
        seen.append(tick[0])
        now += 10
        ramp.runner.stats.total.num_requests += 10 * seen[-1] * 20
    assert seen == [1, 2, 3]


def test_every_shape_brings_its_flags() -> None:
    parser = LocustArgumentParser(default_config_files=[])
    events.init_command_line_parser.fire(parser=parser)
    options = vars(parser.parse_args([]))
    assert {"ramp_seconds", "ramp_gain", "steps", "spike_factor", "wave_seconds"} <= set(options)
