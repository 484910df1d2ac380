"""What an LLM is worth that joins late: trained without it, added from k scored queries, against training with it.

Each LLM of the pool is left out in turn and added back. "Not added" stands beside every k: an LLM that is learned badly
can cost more than it brings. Does not know files or the command line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from routerdc.data.dataset import Dataset, pool
from routerdc.evaluation.reports.tables import Table, markdown_table
from routerdc.model import RouterModel
from routerdc.pool.change import with_llm
from routerdc.training.encoder import Encoder
from routerdc.training.fit import fit
from routerdc.training.judging.judge import graded_choice
from routerdc.training.preparation.rows import Ints
from routerdc.training.preparation.targets import Floats
from routerdc.training.recipe import Recipe

HELD_OUT_FOLDS = 5  # one of them judges where there are no test sets


@dataclass(frozen=True)
class Growth:
    """One LLM left out and added back: per cent points against training with it, means over data sets and draws.

    `added`: by the number of scored queries.
    """

    llm: str
    not_added: float
    added: dict[int, float]


@dataclass(frozen=True)
class GrowthReport:
    """`with_all`: quality in per cent of the router that was trained with all LLMs; `mean` over the LLMs."""

    recipe: str
    seed: int
    draws: int
    judged_on: tuple[str, ...]
    with_all: float
    rows: list[Growth]

    @property
    def mean(self) -> Growth:
        """The mean of all rows."""
        sizes = self.rows[0].added
        return Growth(
            "mean",
            float(np.mean([row.not_added for row in self.rows])),
            {size: float(np.mean([row.added[size] for row in self.rows])) for size in sizes},
        )

    def as_json(self) -> dict[str, Any]:
        """Every number, in a form that JSON takes."""
        return {**asdict(self), "mean": asdict(self.mean)}


@dataclass(frozen=True)
class GrowthOverSeeds:
    """The same for several trainings: one report a seed."""

    reports: tuple[GrowthReport, ...]

    def as_json(self) -> dict[str, Any]:
        """Every number of every seed, in a form that JSON takes."""
        return {"seeds": [report.as_json() for report in self.reports]}

    def as_markdown(self) -> str:
        """The table for a page."""
        return markdown_table(Table("", *self.table())) + "\n"

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows: means over seeds; the last row, the mean over LLMs, has their standard deviation, too."""
        first = self.reports[0]
        sizes = list(first.mean.added)
        header = ["LLM left out", "not added", *(f"from {size} queries" for size in sizes)]
        rows = []
        for index, row in enumerate(first.rows):
            over_seeds = np.array([_values(report.rows[index]) for report in self.reports])
            rows.append([row.llm, *(f"{value:+.2f}" for value in over_seeds.mean(axis=0))])
        means = np.array([_values(report.mean) for report in self.reports])
        rows.append(["mean", *(_with_deviation(values) for values in means.T)])
        return header, rows


def _values(growth: Growth) -> list[float]:
    return [growth.not_added, *growth.added.values()]


def _with_deviation(values: Floats) -> str:
    deviation = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    return f"{values.mean():+.2f}{deviation}"


def measure_growth(
    train: Sequence[Dataset],
    test: Sequence[Dataset],
    recipe: Recipe,
    encoder: Encoder,
    sizes: Sequence[int],
    draws: int,
    seed: int,
) -> GrowthReport:
    """Leaves every LLM out in turn. `test` empty: a fifth of `train` judges, and is not learned from.

    Scored queries are drawn from `train`, equally many from each data set, with the whole pool's scores.
    """
    llms = pool([*train, *test])
    learn, judged = _split(
        [dataset.aligned(llms) for dataset in train], [dataset.aligned(llms) for dataset in test], seed
    )
    measured = _Measured(encoder, recipe.changed(data={"held_out": 0.0}), seed, learn, judged)
    with_all = measured.quality(measured.trained(llms), llms)
    rows = [
        _growth(measured, [one for one in llms if one != llm], llm, with_all, sizes, draws)
        for llm in tqdm(llms, desc="LLMs", disable=None)
    ]
    return GrowthReport(recipe.name, seed, draws, tuple(dataset.name for dataset in judged), with_all, rows)


@dataclass(frozen=True)
class _Measured:
    encoder: Encoder
    recipe: Recipe
    seed: int
    learn: Sequence[Dataset]
    judged: Sequence[Dataset]

    def trained(self, llms: Sequence[str]) -> RouterModel:
        return fit([one.aligned(llms) for one in self.learn], self.recipe, self.seed, encoder=self.encoder).model

    def quality(self, model: RouterModel, llms: Sequence[str]) -> float:
        """Per cent, every data set weighing the same."""
        means = []
        for dataset in self.judged:
            with torch.no_grad():
                scores = model.score(self.embedding(model, dataset)).numpy()
            means.append(np.nanmean(graded_choice(scores, dataset.aligned(llms).quality())))
        return 100 * float(np.mean(means))

    def embedding(self, model: RouterModel, dataset: Dataset) -> torch.Tensor:
        with torch.no_grad():
            return model.project(torch.from_numpy(self.encoder.features(dataset.queries)))


def _growth(
    measured: _Measured, others: Sequence[str], llm: str, with_all: float, sizes: Sequence[int], draws: int
) -> Growth:
    model = measured.trained(others)
    added = {size: [] for size in sizes}  # type: dict[int, list[float]]
    for size in sizes:
        for scored in _drawn(measured.learn, size, draws, measured.seed):
            grown, _ = with_llm(model, others, measured.embedding(model, scored), scored, llm)
            added[size].append(measured.quality(grown, [*others, llm]) - with_all)
    return Growth(
        llm,
        measured.quality(model, others) - with_all,
        {size: float(np.mean(differences)) for size, differences in added.items()},
    )


def _split(train: Sequence[Dataset], test: Sequence[Dataset], seed: int) -> tuple[Sequence[Dataset], Sequence[Dataset]]:
    if test:
        return train, test
    folds = [np.random.default_rng(seed).permutation(len(dataset)) % HELD_OUT_FOLDS for dataset in train]
    return (
        [dataset.select(fold != 0) for dataset, fold in zip(train, folds, strict=True)],
        [dataset.select((fold == 0) & dataset.judges) for dataset, fold in zip(train, folds, strict=True)],
    )


def _drawn(datasets: Sequence[Dataset], size: int, draws: int, seed: int) -> Iterator[Dataset]:
    """`draws` data sets of `size` queries, equally many from each of `datasets` as far as they have as many."""
    for draw in range(draws):
        generator = np.random.default_rng((seed, draw))
        parts = [one.select(_some(len(one), -(-size // len(datasets)), generator)) for one in datasets]
        quality = np.concatenate([part.quality() for part in parts])
        yield Dataset("drawn", tuple(query for part in parts for query in part.queries), parts[0].llms, quality)


def _some(rows: int, count: int, generator: np.random.Generator) -> Ints:
    return generator.permutation(rows)[:count]
