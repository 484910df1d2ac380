"""Pauses: bursts of the set length, pauses of the set mean, none where none is wanted."""

import itertools
import random
import statistics

import pytest

from loadtest.users.pace import pause_seconds
from loadtest.users.settings import LoadSettings


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    random.seed(4)


def test_without_think_time_there_are_no_pauses() -> None:
    assert {pause_seconds(LoadSettings(burst_calls=3)) for _ in range(100)} == {0.0}


def test_pauses_have_the_set_mean_and_come_after_bursts_of_the_set_mean_length() -> None:
    settings = LoadSettings(think_seconds=0.5, burst_calls=4)
    pauses = [pause_seconds(settings) for _ in range(20_000)]
    after_bursts = [pause for pause in pauses if pause]
    assert statistics.mean(after_bursts) == pytest.approx(0.5, rel=0.05)
    assert len(pauses) / len(after_bursts) == pytest.approx(4, rel=0.05)
    lengths = [len(list(group)) for pausing, group in itertools.groupby(pauses, key=bool) if not pausing]
    assert len(set(lengths)) > 5  # not all alike
