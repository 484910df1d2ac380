"""The plan of a round: prompts and cells, with the figures that are printed before anything is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelling.plan.coverage import clusters_of, covering
from labelling.plan.features import Features
from labelling.plan.next_part import next_part
from labelling.prompts.prompt import Prompt
from labelling.store.store import Store


@dataclass(frozen=True)
class Plan:
    """`cells`: (prompt key, LLM) in the order of their worth, those that are asked already included.

    `steered`: keys of all prompts whose grades steer this or earlier plans of the store, or that they choose by grades.
    """

    prompts: tuple[Prompt, ...]
    cells: tuple[tuple[str, str], ...]
    steered: frozenset[str]
    clusters: int
    asked: int


def choose(
    prompts: Sequence[Prompt],
    llms: Sequence[str],
    store: Store,
    features: Features | None,
    *,
    most_prompts: int | None = None,
    share: float = 1.0,
) -> Plan:
    """The cells to ask of `prompts`, which must be distinct; grades that `store` has say which are worth most.

    Args:
        features: of texts; only needed where prompts or cells have to be chosen.
        most_prompts: keep so many prompts that cover all of them; None keeps all.
        share: of the cells (prompts times LLMs) that are to have been asked when this round ends.
    """
    sees = features([prompt.question or " " for prompt in prompts]) if features else None
    if sees is not None and most_prompts is not None and most_prompts < len(prompts):
        kept = covering(sees, most_prompts)
        prompts, sees = [prompts[row] for row in kept], sees[kept]
    answered = _answered(prompts, llms, store)
    asked = np.zeros((len(prompts), len(llms)), dtype=bool)
    for cell, _ in answered:
        asked[cell] = True
    steered = store.steered()
    if sees is None or share >= 1:
        cells = [(row, column) for row in range(len(prompts)) for column in range(len(llms))]
        complete = steered <= {prompt.key for prompt in prompts}
        return _plan(prompts, llms, cells, set() if complete else steered, 0, asked)
    clusters = clusters_of(sees)
    count = max(0, round(share * asked.size) - int(asked.sum()))
    grades = _grades(answered, asked.shape, store)
    new = next_part(sees, clusters, asked, grades, count)
    if new.contested:
        rows = {row for row, _ in new.contested} | set(np.flatnonzero(~np.isnan(grades).all(axis=1)).tolist())
        steered |= {prompts[row].key for row in rows}
    old = [(int(row), int(column)) for row, column in np.argwhere(asked)]
    return _plan(prompts, llms, [*old, *new.cells], steered, len(np.unique(clusters)), asked)


def _plan(
    prompts: Sequence[Prompt],
    llms: Sequence[str],
    cells: Sequence[tuple[int, int]],
    steered: set[str],
    clusters: int,
    asked: npt.NDArray[np.bool_],
) -> Plan:
    named = tuple((prompts[row].key, llms[column]) for row, column in cells)
    return Plan(tuple(prompts), named, frozenset(steered), clusters, int(asked.sum()))


def _answered(prompts: Sequence[Prompt], llms: Sequence[str], store: Store) -> list[tuple[tuple[int, int], str]]:
    """The cells (row, column) that have been asked, each with the key of its answer."""
    rows = {prompt.key: row for row, prompt in enumerate(prompts)}
    columns = {llm: column for column, llm in enumerate(llms)}
    return [
        ((rows[stored.prompt], columns[stored.llm]), stored.key)
        for stored in store.answers()
        if stored.prompt in rows and stored.llm in columns
    ]


def _grades(
    answered: Sequence[tuple[tuple[int, int], str]], shape: tuple[int, ...], store: Store
) -> npt.NDArray[np.float32]:
    """The cells' grades in a table of that shape; NaN where there is none."""
    grades = np.full(shape, np.nan, dtype=np.float32)
    for cell, key in answered:
        if (found := store.grade_of(key)) and found[1].score is not None:
            grades[cell] = found[1].score
    return grades
