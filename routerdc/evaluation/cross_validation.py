"""A recipe against everything it should beat where there are no test sets: k-fold cross-validation.

Every row is judged by contenders that learned from the other folds only; then all rows are judged by the same lines as
test data are. Does not know bundles: a recipe is trained once for each fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from routerdc.data.dataset import Dataset, pool, steering_notes
from routerdc.data.duplicates import key
from routerdc.evaluation.baselines.frame import BEST_SINGLE, baselines
from routerdc.evaluation.baselines.training_rows import TrainingRows
from routerdc.evaluation.evaluate import REFERENCES
from routerdc.evaluation.measures.estimates import lines
from routerdc.evaluation.measures.judging import EvalSet, Kind, aligned, by_queries, judge
from routerdc.evaluation.measures.references import Embed, best_single, oracle, random_llm, single_llm
from routerdc.evaluation.measures.report import Report, SetSummary
from routerdc.evaluation.measures.selection import Contender, Floats
from routerdc.evaluation.reports.verdict import verdict
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.fit import fit
from routerdc.training.recipe import Recipe

GROUP = "cross-validated"
OutOfFold = dict[str, Floats]
"""(n, n_llms) scores by data set, each row from the fold that has not seen it"""


@dataclass(frozen=True)
class Folds:
    """How many folds, and the seed that decides them (and the training)."""

    count: int = 5
    seed: int = 0

    def of(self, datasets: Sequence[Dataset]) -> list[npt.NDArray[np.int64]]:
        """The fold of each row. Equal queries share one, wherever they stand: none judges what it was learned from."""
        first: dict[int, int] = {}
        drawn = [np.random.default_rng(self.seed).permutation(len(dataset)) % self.count for dataset in datasets]
        return [
            np.array([first.setdefault(key(query), int(fold)) for query, fold in zip(one.queries, part, strict=True)])
            for one, part in zip(datasets, drawn, strict=True)
        ]


def cross_validate(
    datasets: Sequence[Dataset], recipe: Recipe, embed: Embed, folds: Folds, encoder: Encoder | None = None
) -> Report:
    """Judges `recipe` and everything it should beat; `embed` is what the baselines learn from.

    Raises:
        DataError: a data set has no row with at least two LLMs to choose from.
    """
    llms = pool(datasets)
    known = [aligned(dataset, llms, least_known=2) for dataset in datasets]
    router = f"router: recipe {recipe.name}"
    found = _out_of_fold(known, recipe, embed, folds, encoder or open_encoder(recipe.encoder), router)
    sets = [EvalSet(dataset.judging(), GROUP) for dataset in known]
    contenders: list[tuple[str, Kind, Contender]] = [
        *((name, _kind(name, router), _kept(scores, known)) for name, scores in found.items()),
        ("random LLM", "reference", random_llm),
        ("oracle", "bound", oracle),
        *((llm, "llm", single_llm(column)) for column, llm in enumerate(llms)),
    ]
    judged = [judge(name, kind, contender, sets) for name, kind, contender in contenders]
    report = Report(
        bundle=f"recipe {recipe.name}",
        bundle_id=f"{folds.count}-fold cross-validation",
        llms=list(llms),
        sets=[
            SetSummary(name=one.name, group=GROUP, rows=len(one.dataset), missing=100 * _missing(one.dataset))
            for one in sets
        ],
        lines=lines(judged, sets, REFERENCES, llms, folds.seed),
        calibration={},
        perturbed=[],
        removals=[],
        overlaps=[],
        costs=[],
        notes=steering_notes(known),
    )
    return report.model_copy(update={"verdict": verdict(report)})


def _out_of_fold(
    datasets: Sequence[Dataset], recipe: Recipe, embed: Embed, folds: Folds, encoder: Encoder, router: str
) -> dict[str, OutOfFold]:
    fold_of = folds.of(datasets)
    found: dict[str, OutOfFold] = {}
    for fold in tqdm(range(folds.count), desc="folds", disable=None):
        learn = [dataset.select(part != fold) for dataset, part in zip(datasets, fold_of, strict=True)]
        for name, contender in _contenders(learn, recipe, embed, folds.seed, encoder, router).items():
            scores = found.setdefault(name, {one.name: np.zeros_like(one.scores) for one in datasets})
            for dataset, part in zip(datasets, fold_of, strict=True):
                scores[dataset.name][part == fold] = contender(dataset.select(part == fold))
    return found


def _contenders(
    learn: Sequence[Dataset], recipe: Recipe, embed: Embed, seed: int, encoder: Encoder, router: str
) -> dict[str, Contender]:
    model = fit(learn, recipe, seed, encoder=encoder).model
    rows = TrainingRows.of(learn, embed)

    def score(queries: Sequence[str]) -> Floats:
        with torch.inference_mode():
            return model.score(model.project(torch.from_numpy(encoder.features(queries)))).numpy()

    return {
        router: by_queries(score),
        **{name: by_queries(scorer) for name, scorer in baselines(rows, embed).items()},
        BEST_SINGLE: single_llm(best_single(learn)),
    }


def _kind(name: str, router: str) -> Kind:
    return "router" if name == router else "reference" if name == BEST_SINGLE else "baseline"


def _kept(scores: OutOfFold, datasets: Sequence[Dataset]) -> Contender:
    judged = {dataset.name: scores[dataset.name][dataset.judges] for dataset in datasets}
    return lambda dataset: judged[dataset.name]


def _missing(dataset: Dataset) -> float:
    return float(np.isnan(dataset.scores).mean())
