"""What is said of a new LLM is judged on queries that it was not learned from, and says how sure it is."""

import numpy as np
import pytest

from routerdc.pool.newcomer import _newcomer

# Two LLMs of the pool, the new one last.
QUALITY = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 1.0]] * 25)


def test_shares_and_qualities_are_those_of_the_choices() -> None:
    newcomer = _newcomer(QUALITY, np.array([0, 0, 2, 2] * 25), np.array([0, 0, 0, 0] * 25))
    assert newcomer.queries == 100
    assert newcomer.share == 0.5
    assert newcomer.share_interval.low < 0.5 < newcomer.share_interval.high
    assert newcomer.quality == 0.75
    assert newcomer.chosen_quality == 1.0
    assert newcomer.gain == pytest.approx(0.5)
    assert newcomer.gain_interval is not None
    assert newcomer.gain_interval.excludes_zero
    text = str(newcomer)
    assert "would be chosen for 50% (" in text
    assert "the pool's quality changes by +50.0% (" in text
    assert "not sure" not in text


def test_a_gain_that_may_be_luck_is_said_to_be_unsure() -> None:
    newcomer = _newcomer(QUALITY[:8], np.array([0, 0, 2, 0, 0, 0, 0, 0]), np.zeros(8, dtype=np.int64))
    assert newcomer.gain == pytest.approx(1 / 8)
    assert "not sure yet, score more queries" in str(newcomer)


def test_without_scores_of_the_pool_there_is_no_gain() -> None:
    quality = QUALITY.copy()
    quality[:, :2] = np.nan
    newcomer = _newcomer(quality, np.full(100, 2), np.zeros(100, dtype=np.int64))
    assert newcomer.gain is None
    assert newcomer.quality == 0.75
    assert "changes by" not in str(newcomer)


def test_one_that_is_never_chosen_has_no_quality_there() -> None:
    newcomer = _newcomer(QUALITY, np.zeros(100, dtype=np.int64), np.zeros(100, dtype=np.int64))
    assert (newcomer.share, newcomer.chosen_quality, newcomer.gain) == (0.0, None, 0.0)
