"""What one seed comes to on one pool, and what the frame does on the same rows: kept, so that a run can be resumed."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from routerdc.data.dataset import Dataset, pool
from routerdc.evaluation.baselines.frame import BEST_SINGLE, DOMAIN_EXPERT, baselines
from routerdc.evaluation.baselines.training_rows import TrainingRows
from routerdc.evaluation.cross_validation import GROUP, Folds
from routerdc.evaluation.evaluate import Subject, calibrations
from routerdc.evaluation.measures.cost_report import cost_reports
from routerdc.evaluation.measures.judging import EvalSet, aligned, by_queries, judge, prepare_sets
from routerdc.evaluation.measures.references import Embed, best_single, oracle, single_llm
from routerdc.evaluation.measures.selection import Contender, Floats, Scorer
from routerdc.evaluation.pools.pool import Pool
from routerdc.training.encoder import Encoder
from routerdc.training.fit import fit
from routerdc.training.recipe import Recipe
from routerdc_contract.bundle import LlmSpec
from routerdc_contract.frozen import Frozen

ROUTER, ORACLE = "router", "oracle"
Values = tuple[float | None, ...]


class Money(Frozen):
    """AIQ in per cent, and the share of the best single LLM's cost saved at its quality; None where it never has it."""

    aiq: float
    cost_save: float | None


class Cell(Frozen):
    """What every contender earns on each row: `earned[contender][set]`, None where nothing could be chosen."""

    groups: dict[str, tuple[str, ...]]
    """names of the test sets in each group"""
    earned: dict[str, dict[str, Values]]
    train_rows: int
    cpu_seconds: float
    calibration: dict[str, float] = Field(default_factory=dict)
    """expected calibration error of the chosen LLM by group; empty where folds judge"""
    money: dict[str, Money] = Field(default_factory=dict)
    """by contender, where all rows have costs"""


@dataclass(frozen=True)
class Split:
    """Sets to learn from and sets to judge by; `rows[set]`: the place of each judged row among all rows of its set."""

    learn: list[Dataset]
    judged: list[EvalSet]
    rows: dict[str, npt.NDArray[np.int64]]


def cell_file(work: Path, one: Pool, recipe: Recipe | None, seed: int) -> Path:
    """Where a cell is kept; `recipe` None: the frame's. Another recipe or pool is another file."""
    what = one.model_dump_json(exclude={"name", "looks"}) + (recipe.model_dump_json() if recipe else "")
    digest = hashlib.sha256(what.encode()).hexdigest()[:12]
    name = "".join(letter if letter.isalnum() else "-" for letter in one.name)
    return work / f"{name}-{digest}-{f'seed{seed}' if recipe else 'frame'}.json"


def frame_cell(one: Pool, data: Path, embed: Embed) -> Cell:
    """The frame of `one`, and the oracle.

    Raises:
        DataError: a file is missing or bad.
    """

    def contenders(split: Split) -> dict[str, Contender]:
        frame = {name: by_queries(scorer) for name, scorer in _frame(split.learn, embed).items()}
        return {BEST_SINGLE: single_llm(best_single(split.learn)), **frame, ORACLE: oracle}

    splits = splits_of(one, data, seed=0)
    found = _cell(splits, contenders)
    if len(splits) > 1 or not _priced(splits[0]):
        return found
    frame = _frame(splits[0].learn, embed)
    money = _money(frame[DOMAIN_EXPERT], (), frame, splits[0])
    return found.model_copy(update={"money": {name: money[name] for name in frame}})


def router_cell(one: Pool, data: Path, recipe: Recipe, seed: int, encoder: Encoder) -> Cell:
    """A router trained by `recipe` with `seed`.

    Raises:
        DataError: a file is missing or bad.
    """
    splits = splits_of(one, data, seed)
    subjects: list[Subject] = []

    def contenders(split: Split) -> dict[str, Contender]:
        subjects.append(_subject(split.learn, recipe, seed, encoder))
        return {ROUTER: by_queries(subjects[-1].score)}

    found = _cell(splits, contenders)
    if len(splits) > 1:
        return found
    split, subject = splits[0], subjects[0]
    errors = {group: error.ece_of_choice for group, error in calibrations(subject, split.judged).items()}
    money = _money(subject.score, subject.llms, {}, split) if _priced(split) else {}
    return found.model_copy(update={"calibration": errors, "money": money})


def splits_of(one: Pool, data: Path, seed: int) -> list[Split]:
    """One for a pool with test sets, else one for each of five folds."""
    train, test = one.load(data)
    llms = pool(train)
    if test:
        sets = prepare_sets(test, train, llms)
        every = {part.name: np.arange(len(part.dataset)) for part in sets}
        return [Split([aligned(dataset, llms) for dataset in train], sets, every)]
    folds, known = Folds(seed=seed), [aligned(dataset, llms, least_known=2) for dataset in train]
    fold_of = folds.of(known)
    pairs = list(zip(known, fold_of, strict=True))
    return [
        Split(
            [dataset.select(part != fold) for dataset, part in pairs],
            [EvalSet(dataset.select(part == fold), GROUP) for dataset, part in pairs],
            {dataset.name: np.flatnonzero(part == fold) for dataset, part in pairs},
        )
        for fold in range(folds.count)
    ]


def _cell(splits: Sequence[Split], contenders: Callable[[Split], dict[str, Contender]]) -> Cell:
    began = time.process_time()
    found: dict[str, dict[str, dict[int, float | None]]] = {}
    for split in splits:
        for name, contender in contenders(split).items():
            judged = judge(name, "baseline", contender, split.judged)
            for part, values in judged.quality.items():
                rows = found.setdefault(name, {}).setdefault(part, {})
                known = [None if np.isnan(value) else float(value) for value in values]
                rows.update(zip(split.rows[part].tolist(), known, strict=True))
    groups: dict[str, tuple[str, ...]] = {}
    for one in splits[0].judged:
        groups[one.group] = (*groups.get(one.group, ()), one.name)
    return Cell(
        groups=groups,
        earned={
            name: {part: tuple(rows[row] for row in sorted(rows)) for part, rows in sets.items()}
            for name, sets in found.items()
        },
        train_rows=sum(map(len, splits[0].learn)),
        cpu_seconds=round(time.process_time() - began, 1),
    )


def _frame(learn: Sequence[Dataset], embed: Embed) -> dict[str, Scorer]:
    return baselines(TrainingRows.of(learn, embed), embed)


def _subject(learn: Sequence[Dataset], recipe: Recipe, seed: int, encoder: Encoder) -> Subject:
    trained = fit(learn, recipe, seed, encoder=encoder)

    def score(queries: Sequence[str]) -> Floats:
        with torch.inference_mode():
            return trained.model.score(trained.model.project(torch.from_numpy(encoder.features(queries)))).numpy()

    return Subject(ROUTER, "", trained.llms, score)


def _priced(split: Split) -> bool:
    return all(dataset.costs is not None for dataset in [*split.learn, *(part.dataset for part in split.judged)])


def _money(score: Scorer, llms: Sequence[LlmSpec], others: dict[str, Scorer], split: Split) -> dict[str, Money]:
    names = llms or [LlmSpec(name=llm) for llm in split.learn[0].llms]
    report = cost_reports(score, names, others, split.learn, split.judged, seed=0)[0]
    return {curve.name: Money(aiq=curve.aiq.mean, cost_save=curve.cost_save) for curve in report.curves}
