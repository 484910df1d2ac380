"""The plan of a round, from what the store holds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from labelling.plan.choose import choose
from labelling.prompts.prompt import Prompt
from labelling.store.records import Answer, Cell, Grade
from labelling.store.store import Store

LLMS = ("good", "fair", "bad", "worst")
PROMPTS = [Prompt(({"role": "user", "content": str(number)},)) for number in range(200)]


def features(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    return np.asarray(np.random.default_rng(0).normal(size=(len(texts), 8)), dtype=np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Forty prompts have been asked of everybody."""
    store = Store(tmp_path / "labels.db")
    store.add_prompts(PROMPTS)
    for prompt in PROMPTS[:40]:
        for llm in LLMS:
            store.add_answer(Cell(prompt.key, llm, llm, {}), Answer(text="yes"))
    return store


def new_cells(store: Store) -> list[tuple[str, str]]:
    return list(choose(PROMPTS, LLMS, store, features, share=0.3).cells[160:])


def test_without_grades_further_prompts_are_asked_of_everybody(store: Store) -> None:
    assert sorted(llm for _, llm in new_cells(store)) == sorted(20 * LLMS)


def test_with_grades_llms_that_are_never_best_are_asked_no_more(store: Store) -> None:
    for stored in store.answers():
        score = {"good": 0.9, "fair": 0.8, "bad": 0.1, "worst": 0.0}[stored.llm]
        store.add_grade(stored.key, "people", Grade(score))
    cells = new_cells(store)
    assert len(cells) == 80
    assert {llm for _, llm in cells} == {"good", "fair"}
    assert not {key for key, _ in cells} & {prompt.key for prompt in PROMPTS[:40]}


def test_what_grades_have_steered_is_known_until_everybody_is_asked_everything(store: Store) -> None:
    assert not choose(PROMPTS, LLMS, store, features, share=0.3).steered
    for stored in store.answers():
        store.add_grade(stored.key, "people", Grade({"good": 0.9, "fair": 0.8, "bad": 0.1, "worst": 0.0}[stored.llm]))
    first = choose(PROMPTS, LLMS, store, features, share=0.3)
    assert first.steered == {key for key, _ in first.cells} >= {prompt.key for prompt in PROMPTS[:40]}
    assert len(first.steered) == 80
    store.set_steered(first.steered)
    assert choose(PROMPTS, LLMS, store, features, share=0.3).steered >= first.steered
    assert choose(PROMPTS[:70], LLMS, store, None).steered == first.steered
    assert not choose(PROMPTS, LLMS, store, None).steered


def test_grades_that_are_missing_tell_nothing(store: Store) -> None:
    for stored in store.answers():
        store.add_grade(stored.key, "judge", Grade(None, "unparsable"))
    assert sorted(llm for _, llm in new_cells(store)) == sorted(20 * LLMS)
