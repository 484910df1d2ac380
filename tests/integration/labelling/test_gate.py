"""The gate of `routerdc refresh`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from labelling.errors import RefreshError
from labelling.refresh.gate import Contender, judge
from labelling.refresh.split import held_out
from routerdc.data.dataset import Dataset

LLMS = ("good", "bad")


def rows(count: int, seed: int, lead: float = 0.3) -> Dataset:
    draw = np.random.default_rng(seed)
    scores = (draw.random((count, 2)) < [0.5 + lead, 0.5]).astype(np.float32)
    return Dataset("d", tuple(f"question {i}" for i in range(count)), LLMS, scores)


def always(llm: int, of: Sequence[str] = LLMS) -> Contender:
    return Contender(of, lambda queries: np.tile(np.eye(len(of), dtype=np.float32)[llm], (len(queries), 1)))


def test_a_better_bundle_passes_and_a_worse_one_is_refused() -> None:
    better = judge(always(0), always(1), rows(300, 0), 0.01)
    worse = judge(always(1), always(0), rows(300, 0), 0.01)
    assert better.passed
    assert better.difference == pytest.approx(-worse.difference)
    assert better.low < better.difference < better.high
    assert not worse.passed


def test_equal_choices_pass() -> None:
    verdict = judge(always(0), always(0), rows(60, 1), 0.0)
    assert (verdict.passed, verdict.difference, verdict.rows) == (True, 0.0, 60)


def test_a_bundle_that_is_worse_by_chance_hidden_average_does_not_pass_in_two_hundred_rounds() -> None:
    passed = sum(judge(always(1), always(0), rows(200, seed, lead=0.1), 0.01).passed for seed in range(200))
    assert passed <= 2


def test_too_few_rows_let_nothing_pass() -> None:
    with pytest.raises(RefreshError, match="49 held-out rows"):
        judge(always(0), always(1), rows(49, 0), 0.01)


def test_bundles_of_different_pools_are_compared_by_name() -> None:
    verdict = judge(always(1, ("bad", "good")), always(0), rows(100, 0), 0.0)
    assert (verdict.passed, verdict.difference) == (True, 0.0)


def test_rows_that_have_steered_a_plan_do_not_judge_where_there_are_enough_others() -> None:
    data = replace(rows(120, 0), steered=np.arange(120) < 70)
    assert judge(always(0), always(1), data, 0.01).rows == 50


def test_ungraded_choices_do_not_count() -> None:
    data = rows(120, 0)
    data.scores[:40, 0] = np.nan
    assert judge(always(0), always(1), data, 0.01).rows == 80


def test_a_question_is_on_the_same_side_in_every_round() -> None:
    questions = [f"question {i}" for i in range(2000)]
    sides = [held_out(question) for question in questions]
    assert sides == [held_out(question.upper() + " ") for question in questions]
    assert 0.17 < sum(sides) / len(sides) < 0.23
