"""What is asked after the first grades: LLMs that may still be the best, where a wrong choice costs most."""

import numpy as np
import numpy.typing as npt
import pytest

from labelling.plan.contested import FEWEST, MOST, contested
from labelling.plan.next_part import Part, next_part
from labelling.plan.sparse import plan

Floats = npt.NDArray[np.float32]

SKILLS = np.array([[0.9, 0.2, 0.1, 0.1], [0.1, 0.5, 0.5, 0.1]])  # first kind: one LLM wins; second: two are alike


@pytest.fixture(scope="module")
def kinds() -> npt.NDArray[np.int64]:
    return np.tile([0, 1], 300)


@pytest.fixture(scope="module")
def features(kinds: npt.NDArray[np.int64]) -> Floats:
    draw = np.random.default_rng(0)
    found = np.eye(2, 16)[kinds] + 0.1 * draw.normal(size=(len(kinds), 16))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="module")
def grades(kinds: npt.NDArray[np.int64]) -> Floats:
    """Of the first hundred prompts, right or wrong."""
    found = (np.random.default_rng(1).random((600, 4)) < SKILLS[kinds]).astype(np.float32)
    found[100:] = np.nan
    return found


def test_llms_in_contention_are_asked_and_prompts_whose_best_llm_is_known_are_not(
    features: Floats, kinds: npt.NDArray[np.int64], grades: Floats
) -> None:
    cells = contested(features, grades, ~np.isnan(grades), 240)
    rows, llms = np.array(cells).T
    assert len(cells) == len(set(cells)) == 240
    assert rows.min() >= 100
    assert (kinds[rows] == 1).mean() > 0.6
    asked = np.bincount(llms[kinds[rows] == 1], minlength=4) / len(np.unique(rows[kinds[rows] == 1]))
    assert (asked[1:3] > 0.9).all()
    assert asked[3] < 0.2


def test_prompts_are_asked_in_groups_that_can_be_compared(features: Floats, grades: Floats) -> None:
    counts = np.bincount([row for row, _ in contested(features, grades, ~np.isnan(grades), 10_000)], minlength=600)
    assert not counts[:100].any()
    assert set(counts[100:].tolist()) <= set(range(FEWEST, MOST + 1))


def test_the_same_grades_give_the_same_cells(features: Floats, grades: Floats) -> None:
    asked = ~np.isnan(grades)
    assert contested(features, grades, asked, 100) == contested(features, grades, asked, 100)


def test_without_enough_grades_whole_rows_are_asked(
    features: Floats, kinds: npt.NDArray[np.int64], grades: Floats
) -> None:
    asked = ~np.isnan(grades)
    few, one_ungraded = grades.copy(), grades.copy()
    few[19:] = np.nan
    one_ungraded[:, 3] = np.nan
    for known in (few, one_ungraded):
        assert next_part(features, kinds, asked, known, 80) == Part([], plan(kinds, asked, 80))
    assert next_part(features, kinds, asked, grades, 80) == Part(contested(features, grades, asked, 80), [])


def test_when_every_prompt_has_been_asked_rows_are_completed(
    features: Floats, kinds: npt.NDArray[np.int64], grades: Floats
) -> None:
    asked = ~np.isnan(grades)
    cells = next_part(features, kinds, asked, grades, 10_000).cells
    assert len(cells) == len(set(cells)) == 500 * 4


def test_a_part_that_was_interrupted_goes_on_with_the_same_cells(features: Floats, grades: Floats) -> None:
    asked = ~np.isnan(grades)
    cells = contested(features, grades, asked, 101)
    for row, llm in cells[1:50]:  # the first was in flight
        asked[row, llm] = True
    assert contested(features, grades, asked, 101 - 49) == [cells[0], *cells[50:]]
