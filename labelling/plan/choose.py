"""The plan of a round: prompts and cells, with the figures that are printed before anything is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelling.plan.coverage import clusters_of, covering
from labelling.plan.features import Features
from labelling.plan.sparse import Known, plan
from labelling.prompts.prompt import Prompt
from labelling.store.store import Store


@dataclass(frozen=True)
class Plan:
    """`cells`: (prompt key, LLM) in the order of their worth, those that are asked already included."""

    prompts: tuple[Prompt, ...]
    cells: tuple[tuple[str, str], ...]
    clusters: int
    asked: int


def choose(
    prompts: Sequence[Prompt],
    llms: Sequence[str],
    store: Store,
    prices: Mapping[str, float],
    features: Features | None,
    *,
    most_prompts: int | None = None,
    share: float = 1.0,
) -> Plan:
    """The cells to ask of `prompts`, which must be distinct.

    Args:
        prices: expected dollars an answer, by LLM.
        features: of texts; only needed where prompts or cells have to be chosen.
        most_prompts: keep so many prompts that cover all of them; None keeps all.
        share: of the cells (prompts times LLMs) that are to have been asked when this round ends.
    """
    sees = features([prompt.question or " " for prompt in prompts]) if features else None
    if sees is not None and most_prompts is not None and most_prompts < len(prompts):
        kept = covering(sees, most_prompts)
        prompts, sees = [prompts[row] for row in kept], sees[kept]
    known = _known(prompts, llms, store)
    if sees is None or share >= 1:
        cells = [(row, column) for row in range(len(prompts)) for column in range(len(llms))]
        return _plan(prompts, llms, cells, 0, known)
    clusters = clusters_of(sees)
    count = max(0, round(share * known.asked.size) - int(known.asked.sum()))
    new = plan(clusters, known, [prices[llm] for llm in llms], count)
    old = [(int(row), int(column)) for row, column in np.argwhere(known.asked)]
    return _plan(prompts, llms, [*old, *new], len(np.unique(clusters)), known)


def _plan(
    prompts: Sequence[Prompt], llms: Sequence[str], cells: Sequence[tuple[int, int]], clusters: int, known: Known
) -> Plan:
    named = tuple((prompts[row].key, llms[column]) for row, column in cells)
    return Plan(tuple(prompts), named, clusters, int(known.asked.sum()))


def _known(prompts: Sequence[Prompt], llms: Sequence[str], store: Store) -> Known:
    rows = {prompt.key: row for row, prompt in enumerate(prompts)}
    columns = {llm: column for column, llm in enumerate(llms)}
    asked = np.zeros((len(rows), len(columns)), dtype=bool)
    quality = np.full(asked.shape, np.nan)
    for stored in store.answers():
        if (row := rows.get(stored.prompt)) is None or (column := columns.get(stored.llm)) is None:
            continue
        asked[row, column] = True
        graded = store.grade_of(stored.key)
        if graded is not None and graded[1].score is not None:
            quality[row, column] = graded[1].score
    return Known(asked, quality)
