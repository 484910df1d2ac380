"""What a sparse plan and wrong grades cost: `python -m labelling.benchmark.sparse --train DATA --test DATA`.

Per seed, a router is made of all grades; of the cells of the plan, asked in four parts that are graded one after the
other, with some of the grades flipped; of as many cells in whole rows; and of as many spread at random, with the same
grades flipped. All are judged on the test data, averaged over data sets.

A router here is what the recipe `default` learns from: quality smoothed over similar queries, at the strength that
cross-validation chooses. The student that learns it is left out: it chooses as well to 0.1 (docs/log/training.md), and
costs ten times as much, so that five seeds would not be run.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from labelling.plan.coverage import clusters_of
from labelling.plan.next_part import next_part
from labelling.plan.sparse import Cells, plan
from routerdc.data.dataset import Dataset, Metric, pool
from routerdc.data.loading import load_all
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.preparation.kinds import kinds_of
from routerdc.training.preparation.place import Place
from routerdc.training.preparation.smoothing import Basis, best_strength, expected_quality, folds_of_kinds
from routerdc.training.recipe import load_recipe

PARTS = 4  # the plan is asked in, each after the grades of those before
Table = npt.NDArray[np.float32]


@click.command()
@click.option("--train", "train", multiple=True, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--test", "test", multiple=True, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--llm", "llms", multiple=True, help="Only these LLMs (repeatable).")
@click.option("--share", default=0.3, show_default=True, help="Share of the cells that is asked.")
@click.option("--wrong", default=0.15, show_default=True, help="Share of the grades that is flipped.")
@click.option("--seeds", default=5, show_default=True)
def main(
    train: Sequence[Path], test: Sequence[Path], llms: Sequence[str], share: float, wrong: float, seeds: int
) -> None:
    """Prints one JSON line a seed, the means, and what sparse grades lose, with its standard error over seeds."""
    encoder = open_encoder(load_recipe("default").encoder)
    sets = _aligned(train, llms)
    judged = _aligned(test, sets[0].llms)
    lines = []
    for seed in range(seeds):
        lines.append(_seed(sets, judged, encoder, share, wrong, seed))
        click.echo(json.dumps({"seed": seed, **lines[-1]}))
    means = {name: round(float(np.mean([line[name] for line in lines])), 2) for name in lines[0]}
    click.echo(json.dumps({"mean of seeds": seeds, **means}))
    for name in ("plan", "whole rows", "random"):
        click.echo(json.dumps({f"{name} - full": spread([line[name] - line["full"] for line in lines])}))


def spread(differences: Sequence[float]) -> dict[str, float | None]:
    """Mean of the seeds' differences, their standard deviation, and the standard error of the mean (one seed: none)."""
    deviation = float(np.std(differences, ddof=1)) if len(differences) > 1 else None
    return {
        "mean": round(float(np.mean(differences)), 2),
        "standard deviation": None if deviation is None else round(deviation, 2),
        "standard error": None if deviation is None else round(deviation / len(differences) ** 0.5, 2),
    }


def _aligned(paths: Sequence[Path], llms: Sequence[str]) -> list[Dataset]:
    sets = load_all(paths)
    columns = tuple(llms) or pool(sets)
    return [replace(d.aligned(columns), scores=d.aligned(columns).quality(), metric=Metric.PASS_RATE) for d in sets]


def _seed(
    sets: Sequence[Dataset],
    judged: Sequence[Dataset],
    encoder: Encoder,
    share: float,
    wrong: float,
    seed: int,
) -> dict[str, float]:
    quality = np.concatenate([dataset.scores for dataset in sets])
    draw = np.random.default_rng(seed)
    flipped = np.where(draw.random(quality.shape) < wrong, 1 - quality, quality)
    count = round(share * quality.size)
    features = encoder.features([query for dataset in sets for query in dataset.queries])
    clusters = clusters_of(features, seed)
    planned = in_parts(features, clusters, flipped, count, seed)
    whole = plan(clusters, np.zeros(quality.shape, dtype=bool), count, seed)
    random = [divmod(int(cell), quality.shape[1]) for cell in draw.permutation(quality.size)[:count]]
    cells = {"plan": planned, "whole rows": whole, "random": random}
    tables = {"full": quality, **{name: _only(flipped, asked) for name, asked in cells.items()}}
    return {name: _judged(_with(sets, table), judged, encoder, seed, name == "plan") for name, table in tables.items()}


def in_parts(features: Table, clusters: npt.NDArray[np.int64], grades: Table, count: int, seed: int) -> Cells:
    """The plan's cells, when each part is graded before the next is chosen."""
    cells: Cells = []
    for part in range(1, PARTS + 1):
        asked = ~np.isnan(_only(np.zeros_like(grades), cells))
        more = round(part * count / PARTS) - len(cells)
        cells += next_part(features, clusters, asked, _only(grades, cells), more, seed).cells
    return cells


def _only(quality: Table, cells: Sequence[tuple[int, int]]) -> Table:
    table = np.full_like(quality, np.nan)
    rows, columns = np.array(cells, dtype=np.int64).reshape(-1, 2).T
    table[rows, columns] = quality[rows, columns]
    return table


def _with(sets: Sequence[Dataset], table: Table) -> list[Dataset]:
    """The data sets with other scores; rows without any are left out."""
    ends = np.cumsum([len(dataset) for dataset in sets])
    parts = np.split(table, ends[:-1])
    return [
        replace(dataset, scores=part).select(~np.isnan(part).all(axis=1))
        for dataset, part in zip(sets, parts, strict=True)
    ]


def _judged(sets: Sequence[Dataset], judged: Sequence[Dataset], encoder: Encoder, seed: int, steered: bool) -> float:
    """Mean quality of the choices, per cent, averaged over the test sets."""
    expected = _expected(sets, [query for dataset in judged for query in dataset.queries], encoder, seed, steered)
    ends = np.cumsum([len(dataset) for dataset in judged])
    means = []
    for dataset, scores in zip(judged, np.split(expected, ends[:-1]), strict=True):
        choice = np.where(np.isnan(dataset.scores), -np.inf, scores).argmax(axis=1)
        means.append(dataset.scores[np.arange(len(dataset)), choice].mean())
    return round(100 * float(np.mean(means)), 2)


def _expected(sets: Sequence[Dataset], queries: Sequence[str], encoder: Encoder, seed: int, steered: bool) -> Table:
    """What the graded rows of `sets` let expect of each LLM on `queries`: (n, n_llms); `steered`: by a plan."""
    quality = np.concatenate([dataset.scores for dataset in sets])
    data_set = np.repeat(np.arange(len(sets)), [len(dataset) for dataset in sets])
    features = encoder.features([query for dataset in sets for query in dataset.queries])
    place = Place.of(features, seed)
    graded, asked = (Basis.of(place(part), place.anchors) for part in (features, encoder.features(queries)))
    folds = folds_of_kinds(kinds_of(sets, encoder.features, seed).tolist(), seed)
    strength = best_strength(graded, quality, data_set, folds, seed, steered)
    learn = np.repeat([True, False], [len(features), len(queries)])
    unknown = np.full((len(queries), quality.shape[1]), np.nan, dtype=np.float32)
    both = Basis(np.concatenate([graded.features, asked.features]))
    return expected_quality(both, np.concatenate([quality, unknown]), learn, strength)


if __name__ == "__main__":
    main()
