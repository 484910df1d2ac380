"""What a sparse plan and wrong grades cost: `python -m labelling.benchmark.sparse --train DATA --test DATA`.

Per seed, a router is trained on all grades; on the cells of the plan, with some of their grades flipped; and on as many
cells spread at random, with the same grades flipped. All are judged on the test data, averaged over data sets.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch

from labelling.plan.coverage import clusters_of
from labelling.plan.sparse import plan
from routerdc.data.dataset import Dataset, Metric, load_all, pool
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.fit import fit
from routerdc.training.recipe import Recipe, load_recipe

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
    """Prints one JSON line a seed, and the means."""
    recipe = load_recipe("default")
    encoder = open_encoder(recipe.encoder)
    sets, judged = (_aligned(paths, llms) for paths in (train, test))
    lines = []
    for seed in range(seeds):
        lines.append(_seed(sets, judged, recipe, encoder, share, wrong, seed))
        click.echo(json.dumps({"seed": seed, **lines[-1]}))
    means = {name: round(float(np.mean([line[name] for line in lines])), 2) for name in lines[0]}
    click.echo(json.dumps({"mean of seeds": seeds, **means}))


def _aligned(paths: Sequence[Path], llms: Sequence[str]) -> list[Dataset]:
    sets = load_all(paths)
    columns = tuple(llms) or pool(sets)
    return [replace(d.aligned(columns), scores=d.aligned(columns).quality(), metric=Metric.PASS_RATE) for d in sets]


def _seed(
    sets: Sequence[Dataset],
    judged: Sequence[Dataset],
    recipe: Recipe,
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
    planned = plan(clusters_of(features, seed), np.zeros(quality.shape, dtype=bool), count, seed)
    random = [divmod(int(cell), quality.shape[1]) for cell in draw.permutation(quality.size)[:count]]
    tables = {"full": quality, "plan": _only(flipped, planned), "random": _only(flipped, random)}
    return {name: _judged(_with(sets, table), judged, recipe, encoder, seed) for name, table in tables.items()}


def _only(quality: Table, cells: Sequence[tuple[int, int]]) -> Table:
    table = np.full_like(quality, np.nan)
    rows, columns = np.array(cells).T
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


def _judged(sets: Sequence[Dataset], judged: Sequence[Dataset], recipe: Recipe, encoder: Encoder, seed: int) -> float:
    """Mean quality of the choices, per cent, averaged over the test sets."""
    trained = fit(sets, recipe, seed, encoder=encoder)
    names = [llm.name for llm in trained.llms]
    means = []
    for dataset in judged:
        quality = dataset.aligned(names).scores
        with torch.inference_mode():
            embedding = trained.model.project(torch.from_numpy(encoder.features(dataset.queries)))
            scores = trained.model.score(embedding).numpy()
        choice = np.where(np.isnan(quality), -np.inf, scores).argmax(axis=1)
        means.append(quality[np.arange(len(quality)), choice].mean())
    return round(100 * float(np.mean(means)), 2)


if __name__ == "__main__":
    main()
