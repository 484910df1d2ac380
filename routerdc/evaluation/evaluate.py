"""The whole evaluation of a router: contenders, calibration, robustness, overlaps and cost, into one `Report`.

Does not know files of a bundle, torch, or how results are shown. A router is a `Subject`: anything that scores queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from routerdc.data.dataset import Dataset, steering_notes
from routerdc.data.duplicates import contained, repeated
from routerdc.evaluation.baselines.frame import BEST_SINGLE, DOMAIN_EXPERT, KNN_PRIOR, baselines
from routerdc.evaluation.baselines.training_rows import TrainingRows
from routerdc.evaluation.learning_curve import learning_curve
from routerdc.evaluation.measures.calibration import probabilities, reliability
from routerdc.evaluation.measures.cost_report import cost_reports
from routerdc.evaluation.measures.estimates import lines, members
from routerdc.evaluation.measures.judging import EvalSet, Kind, aligned, by_queries, judge, prepare_sets
from routerdc.evaluation.measures.published import published_line
from routerdc.evaluation.measures.references import (
    Embed,
    best_single,
    dataset_expert,
    hindsight_expert,
    oracle,
    random_llm,
    single_llm,
)
from routerdc.evaluation.measures.report import Calibration, Line, Overlap, ReliabilityCurve, Report, SetSummary
from routerdc.evaluation.measures.selection import Contender, Scorer
from routerdc.evaluation.perturbations.robustness import perturbations, removals
from routerdc.evaluation.reports.verdict import verdict
from routerdc_contract.bundle import LlmSpec

REFERENCES = (BEST_SINGLE, DOMAIN_EXPERT, KNN_PRIOR)
"""What every contender is compared with, row by row."""


@dataclass(frozen=True)
class Subject:
    """The router under evaluation. `score`: queries → (n, n_llms) float32 in the order of `llms`."""

    name: str
    bundle_id: str
    llms: tuple[LlmSpec, ...]
    score: Scorer

    @property
    def llm_names(self) -> tuple[str, ...]:
        """LLM names in score order."""
        return tuple(llm.name for llm in self.llms)


@dataclass(frozen=True)
class Options:
    """What to do besides the main table."""

    robustness: bool = True
    cost: bool = False
    seed: int = 0
    notes: Sequence[str] = ()


def evaluate(
    subject: Subject, train: Sequence[Dataset], test: Sequence[Dataset], embed: Embed, options: Options
) -> Report:
    """Judges `subject` and everything it should beat on the test sets; `embed` is what the baselines learn from.

    Raises:
        DataError: the data sets do not fit the router's pool, or have no costs where `options.cost` needs them.
    """
    llms = subject.llm_names
    trained = [aligned(dataset, llms) for dataset in train]
    sets = prepare_sets(test, train, llms)
    with tqdm(total=7, bar_format="{desc} · part {n_fmt} of {total_fmt}", disable=None, leave=False) as bar:

        def begin(part: str) -> None:
            bar.set_description_str(part, refresh=False)
            bar.update()

        begin("training the baselines")
        rows = TrainingRows.of(trained, embed)
        frame = baselines(rows, embed)
        begin("judging every contender")
        compared = _lines(subject, frame, trained, sets, embed, options.seed)
        begin("calibration")
        calibration = calibrations(subject, sets)
        begin("robustness")
        perturbed = perturbations(subject.score, sets, options.seed) if options.robustness else []
        removed = removals(subject.score, sets, trained, llms) if options.robustness else []
        begin("rows that repeat")
        overlaps = _overlaps(sets, trained)
        begin("costs")
        costs = cost_reports(subject.score, subject.llms, frame, trained, sets, options.seed) if options.cost else []
        begin("learning curve")
        learning = learning_curve(rows, embed, sets, options.seed)
    report = Report(
        bundle=subject.name,
        bundle_id=subject.bundle_id,
        llms=list(llms),
        sets=[_summary(one) for one in sets],
        lines=compared,
        calibration=calibration,
        perturbed=perturbed,
        removals=removed,
        overlaps=overlaps,
        costs=costs,
        notes=[f"{BEST_SINGLE}: {llms[best_single(trained)]}", *_notes(train, test, sets, llms), *options.notes],
        learning=learning,
    )
    return report.model_copy(update={"verdict": verdict(report)})


def _lines(
    subject: Subject,
    frame: dict[str, Scorer],
    train: Sequence[Dataset],
    sets: Sequence[EvalSet],
    embed: Embed,
    seed: int,
) -> list[Line]:
    llms = subject.llm_names
    best = best_single(train)
    contenders: list[tuple[str, Kind, Contender]] = [
        (f"router: {subject.name}", "router", by_queries(subject.score)),
        *((name, "baseline", by_queries(scorer)) for name, scorer in frame.items()),
        (BEST_SINGLE, "reference", single_llm(best)),
        ("expert per data set, chosen on train", "reference", dataset_expert(train, embed)),
        ("random LLM", "reference", random_llm),
        ("hindsight expert per data set", "bound", hindsight_expert),
        ("oracle", "bound", oracle),
        *((llm, "llm", single_llm(column)) for column, llm in enumerate(llms)),
    ]
    judged = [judge(name, kind, contender, sets) for name, kind, contender in contenders]
    published = published_line(sets, llms)
    return [*lines(judged, sets, REFERENCES, llms, seed), *([published] if published else [])]


def calibrations(subject: Subject, sets: Sequence[EvalSet]) -> dict[str, Calibration]:
    """How far P(correct) is off, by group of sets; empty for a router without calibration."""
    found = {}
    for group, names in members(sets).items():
        tests = [one.dataset for one in sets if one.name in names]
        predicted = [probabilities(subject.score(dataset.queries), subject.llms) for dataset in tests]
        known = [part for part in predicted if part is not None]
        if len(known) == len(tests):
            quality = np.concatenate([dataset.quality() for dataset in tests])
            scores = np.concatenate([subject.score(dataset.queries) for dataset in tests])
            choice = np.where(np.isnan(quality), -np.inf, scores).argmax(axis=1)
            found[group] = _reliability(np.concatenate(known), quality, choice, subject.llm_names)
    return found


def _reliability(
    predicted: npt.NDArray[np.float64],
    quality: npt.NDArray[np.float32],
    choice: npt.NDArray[np.int64],
    llms: Sequence[str],
) -> Calibration:
    rows = np.arange(len(choice))
    everything = reliability(predicted, quality)
    chosen = reliability(predicted[rows, choice], quality[rows, choice])
    return Calibration(
        ece=everything.ece,
        ece_of_choice=chosen.ece,
        floor_of_choice=chosen.floor,
        ece_per_llm={llm: reliability(predicted[:, j], quality[:, j]).ece for j, llm in enumerate(llms)},
        curve=ReliabilityCurve(
            predicted=list(everything.predicted), observed=list(everything.observed), weight=list(everything.weight)
        ),
    )


def _summary(test: EvalSet) -> SetSummary:
    missing = 100 * float(np.isnan(test.dataset.scores).mean())
    return SetSummary(name=test.name, group=test.group, rows=len(test.dataset), missing=missing)


def _overlaps(sets: Sequence[EvalSet], train: Sequence[Dataset]) -> list[Overlap]:
    trained = [query for dataset in train for query in dataset.queries]
    return [
        Overlap(
            name=test.name,
            inside=repeated(test.dataset.queries),
            in_train=contained(test.dataset.queries, trained),
        )
        for test in sets
    ]


def _notes(
    train: Sequence[Dataset], test: Sequence[Dataset], sets: Sequence[EvalSet], llms: Sequence[str]
) -> list[str]:
    used = {one.name: len(one.dataset) for one in sets}
    notes = [
        f"{dataset.name}: {left_out} test rows left out: fewer than two LLMs to choose from"
        for dataset in test
        if (left_out := int(dataset.judges.sum()) - used[dataset.name])
    ]
    notes += steering_notes(test)
    for dataset in [*train, *test]:
        if unknown := [llm for llm in dataset.llms if llm not in llms]:
            notes.append(f"{dataset.name}: not in the router's pool, left out: {', '.join(unknown)}")
        if absent := [llm for llm in llms if llm not in dataset.llms]:
            notes.append(f"{dataset.name}: no scores, never chosen there: {', '.join(absent)}")
        if dataset.skipped:
            notes.append(f"{dataset.name}: {len(dataset.skipped)} bad rows skipped")
    return notes
