"""The router under changed prompts, and with a smaller pool.

Changed prompts keep the scores of the originals: what an LLM can answer does not depend on the wrapping, by assumption.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from routerdc.data.dataset import Dataset
from routerdc.evaluation.measures.estimates import estimate, members, resampled
from routerdc.evaluation.measures.judging import EvalSet, Judged, by_queries, judge, without_llm
from routerdc.evaluation.measures.references import best_single, oracle, single_llm
from routerdc.evaluation.measures.report import Perturbed, Removal
from routerdc.evaluation.measures.selection import Contender, Floats, Scorer, selection
from routerdc.evaluation.perturbations.templates import shuffle_options, strip_template
from routerdc.evaluation.perturbations.typos import TYPO_RATE, with_typos

Change = Callable[[str, np.random.Generator], str]

CHANGES: dict[str, Change] = {
    "templates stripped": lambda query, _: strip_template(query),
    "options shuffled": shuffle_options,
    f"typos in {TYPO_RATE:.0%} of the letters": with_typos,
}


@dataclass(frozen=True)
class _Changed:
    sets: list[EvalSet]
    percent: float


def perturbations(scorer: Scorer, sets: Sequence[EvalSet], seed: int) -> list[Perturbed]:
    """The router on each kind of changed prompts; the first line is the unchanged one."""
    before = {test.name: scorer(test.dataset.queries) for test in sets}
    unchanged = _Changed(list(sets), 0.0)
    lines = [_perturbed("as they are", unchanged, lambda dataset: before[dataset.name], before, seed)]
    for name, change in CHANGES.items():
        lines.append(_perturbed(name, _changed(sets, change, seed), by_queries(scorer), before, seed))
    return lines


def _perturbed(name: str, changed: _Changed, contender: Contender, before: dict[str, Floats], seed: int) -> Perturbed:
    judged = judge(name, "router", contender, changed.sets)
    samples = resampled([judged], changed.sets, seed)
    return Perturbed(
        name=name,
        changed=changed.percent,
        same_choice=100 * _agreement(changed.sets, contender, before),
        groups={
            group: estimate(judged.mean(names), samples[group][:, 0]) for group, names in members(changed.sets).items()
        },
    )


def _changed(sets: Sequence[EvalSet], change: Change, seed: int) -> _Changed:
    generator = np.random.default_rng(seed)
    changed = [_with_queries(test, [change(query, generator) for query in test.dataset.queries]) for test in sets]
    touched = [
        np.mean([a != b for a, b in zip(old.dataset.queries, new.dataset.queries, strict=True)])
        for old, new in zip(sets, changed, strict=True)
    ]
    return _Changed(changed, 100 * float(np.mean(touched)))


def _with_queries(test: EvalSet, queries: Sequence[str]) -> EvalSet:
    return replace(test, dataset=replace(test.dataset, queries=tuple(queries)))


def _agreement(sets: Sequence[EvalSet], contender: Contender, before: dict[str, Floats]) -> float:
    """Share of the queries with the same choice, every data set weighing the same."""
    shares = []
    for test in sets:
        known = ~np.isnan(test.dataset.scores)
        now, then = selection(contender(test.dataset), known), selection(before[test.name], known)
        shares.append(np.minimum(now, then).sum(axis=1).mean())
    return float(np.mean(shares))


def removals(scorer: Scorer, sets: Sequence[EvalSet], train: Sequence[Dataset], llms: Sequence[str]) -> list[Removal]:
    """Every LLM removed in turn: the router goes on with its next best score, nothing is trained again."""
    if len(llms) < 2:
        return []
    return [_removal(column, by_queries(scorer), sets, train, llms) for column in range(len(llms))]


def _removal(
    column: int, router: Contender, sets: Sequence[EvalSet], train: Sequence[Dataset], llms: Sequence[str]
) -> Removal:
    smaller = [without_llm(test, column) for test in sets]
    trained = [without_llm(EvalSet(dataset, ""), column).dataset for dataset in train]
    best = single_llm(best_single(trained))
    groups = members(sets)

    def means(judged: Judged) -> dict[str, float]:
        return {group: 100 * judged.mean(names) for group, names in groups.items()}

    return Removal(
        llm=llms[column],
        router=means(judge("router", "router", router, smaller)),
        best_single=means(judge("best single", "reference", best, smaller)),
        oracle=means(judge("oracle", "bound", oracle, smaller)),
    )
