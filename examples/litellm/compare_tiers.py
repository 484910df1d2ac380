"""The same gateway with tiers by LiteLLM's heuristics and with this router: quality at equal cost on a public pool.

    python examples/litellm/compare_tiers.py POOL TIERS.json --data FOLDER [--recipe few-shot] [--prices PRICES.json]

POOL is one of routerdc/evaluation/pools/pools.yaml; one without tests is judged by five folds. TIERS.json is from
heuristic_tiers.py. The heuristics get the best that they can have: for each tier the LLM that was best on the training
rows. At each budget (a share of what the best single LLM costs) they take the lowest weight of cost whose choices on
the training rows are within it. The router takes the lowest weight whose choices for the judged prompts cost no more
than theirs do, priced by each LLM's mean on the training rows, so that no grade or cost of the judged rows is used.
Costs are the rows' own, or PRICES.json ({LLM: price of an answer}); without either there is one budget, any.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import click
import numpy as np
import numpy.typing as npt
import torch

from routerdc.data.dataset import Dataset
from routerdc.evaluation.pools.cell import Split, splits_of
from routerdc.evaluation.pools.pool import shipped_pools
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.fit import fit
from routerdc.training.recipe import Recipe, load_recipe

BUDGETS = (0.25, 0.5, 0.75, 1.0)
WEIGHTS = np.concatenate([[0.0], np.geomspace(1e-4, 1e4, 600)])
SAMPLES = 2000

Matrix = npt.NDArray[np.float64]
Choices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Queries that all LLMs were graded on: grades and costs (n, LLMs), and the heuristics' tier of each."""

    queries: tuple[str, ...]
    grades: Matrix
    costs: Matrix
    tiers: npt.NDArray[np.str_]

    @classmethod
    def of(cls, datasets: Sequence[Dataset], tiers: dict[str, str], prices: dict[str, float]) -> Self:
        """All rows of `datasets`, which have the same LLMs."""
        grades = np.concatenate([dataset.quality().astype(float) for dataset in datasets])
        flat = np.array([prices.get(llm, 0.0) for llm in datasets[0].llms])
        own = [np.tile(flat, (len(d), 1)) if d.costs is None else d.costs.astype(float) for d in datasets]
        costs = np.concatenate(own)
        known = np.flatnonzero(~np.isnan(grades + costs).any(axis=1))
        every = [query for dataset in datasets for query in dataset.queries]
        queries = tuple(every[row] for row in known)
        return cls(queries, grades[known], costs[known], np.array([tiers[query] for query in queries]))

    def earned(self, choices: Choices) -> tuple[Matrix, Matrix]:
        """Grade and cost of each row's choice."""
        index = np.arange(len(choices))
        return self.grades[index, choices], self.costs[index, choices]

    def cost(self, choices: Choices) -> float:
        """Mean cost of the choices."""
        return float(self.earned(choices)[1].mean())


def by_score(scores: Matrix, price: Matrix, weight: float) -> Choices:
    """The router's choices: the best score after cost; `price` of each LLM is a share of the dearest one's."""
    choices: Choices = np.argmax(scores - weight * price, axis=1)
    return choices


def by_tier(train: Rows, tiers: npt.NDArray[np.str_], price: Matrix, weight: float) -> Choices:
    """Of each tier the LLM that is best on its training rows, after cost; of an unknown tier the best of all."""
    value = train.grades - weight * price
    best = {tier: int(np.argmax(value[train.tiers == tier].mean(axis=0))) for tier in np.unique(train.tiers)}
    return np.array([best.get(tier, int(np.argmax(value.mean(axis=0)))) for tier in tiers])


class Outcome(NamedTuple):
    """What both sides earn and pay on each judged row at one budget."""

    theirs: Matrix
    their_cost: Matrix
    ours: Matrix
    our_cost: Matrix


Judged = dict[str, dict[float, Outcome]]


def outcomes(train: Rows, test: Rows, scores: Matrix) -> Iterator[tuple[float, Outcome]]:
    """Both sides on `test`, with the `scores` of a router of `train`, for each budget that can be kept."""
    mean = train.costs.mean(axis=0)
    price = mean / (mean.max() or 1.0)
    single = mean[np.argmax(train.grades.mean(axis=0))]
    for share in BUDGETS if mean.any() else (np.inf,):
        allowed = share * single * (1 + 1e-9) if mean.any() else np.inf
        within = (w for w in WEIGHTS if train.cost(by_tier(train, train.tiers, price, w)) <= allowed)
        if (weight := next(within, None)) is None:
            continue
        theirs = by_tier(train, test.tiers, price, weight)
        limit = mean[theirs].mean() * (1 + 1e-9)
        ours = (by_score(scores, price, w) for w in WEIGHTS)  # the last are the cheapest LLM, whatever is asked
        yield share, Outcome(*test.earned(theirs), *test.earned(next(one for one in ours if mean[one].mean() <= limit)))


def judged(split: Split, tiers: dict[str, str], prices: dict[str, float], router: "Routers") -> Judged:
    """Outcomes of one split by group of its test sets and by budget; the router's are means over its seeds."""
    train = Rows.of(split.learn, tiers, prices)
    groups = dict.fromkeys(one.group for one in split.judged)
    tests = {g: Rows.of([one.dataset for one in split.judged if one.group == g], tiers, prices) for g in groups}
    found: dict[str, dict[float, list[Outcome]]] = {group: {} for group in tests}
    for seed in range(router.seeds):
        every = router.scores(split.learn, seed, list(tests.values()))
        for (group, test), scores in zip(tests.items(), every, strict=True):
            for share, outcome in outcomes(train, test, scores):
                found[group].setdefault(share, []).append(outcome)
    return {group: {share: _mean(many) for share, many in by.items()} for group, by in found.items()}


def _mean(many: Sequence[Outcome]) -> Outcome:
    return Outcome(*(np.mean(part, axis=0) for part in zip(*many, strict=True)))


@dataclass(frozen=True)
class Routers:
    """Trains routers."""

    recipe: Recipe
    encoder: Encoder
    seeds: int

    def scores(self, learn: Sequence[Dataset], seed: int, asked: Sequence[Rows]) -> list[Matrix]:
        """What a router of `learn` gives to the queries of each of `asked`."""
        model = fit(learn, self.recipe, seed, encoder=self.encoder).model
        features = [torch.from_numpy(self.encoder.features(rows.queries)) for rows in asked]
        with torch.inference_mode():
            return [model.score(model.project(one)).numpy().astype(float) for one in features]


def interval(difference: Matrix) -> tuple[float, float, float]:
    """Mean of paired differences in points, and its 95 % bootstrap interval."""
    draws = np.random.default_rng(0).integers(0, len(difference), (SAMPLES, len(difference)))
    low, high = np.percentile(100 * difference[draws].mean(axis=1), [2.5, 97.5])
    return 100 * float(difference.mean()), float(low), float(high)


def line(group: str, share: float, parts: Sequence[Outcome]) -> str:
    """A line of the table, over the rows of all splits."""
    theirs, their_cost, ours, our_cost = (np.concatenate(part) for part in zip(*parts, strict=True))
    mean, low, high = interval(ours - theirs)
    budget = "any" if np.isinf(share) else f"{100 * share:.0f} %"
    return (
        f"| {group}, {len(ours):,} | {budget} | {100 * theirs.mean():.2f} | {their_cost.mean():.4g} "
        f"| **{100 * ours.mean():.2f}** | {our_cost.mean():.4g} | {mean:+.2f} [{low:+.2f}, {high:+.2f}] |"
    )


@click.command()
@click.argument("pool")
@click.argument("tiers", type=click.Path(exists=True, path_type=Path))
@click.option("--data", type=click.Path(exists=True, path_type=Path), default="data", show_default=True)
@click.option("--recipe", default="default", show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--prices", type=click.Path(exists=True, path_type=Path))
def main(pool: str, tiers: Path, data: Path, recipe: str, seeds: int, prices: Path | None) -> None:
    """Prints the table."""
    one = next(one for one in shipped_pools() if one.name == pool)
    settings = load_recipe(recipe)
    routers = Routers(settings, open_encoder(settings.encoder), seeds)
    given = json.loads(prices.read_text(encoding="utf-8")) if prices else {}
    of_query = json.loads(tiers.read_text(encoding="utf-8"))
    found = [judged(split, of_query, given, routers) for split in splits_of(one, data, seed=0)]
    click.echo("| rows | budget | heuristics: quality | cost | router: quality | cost | difference |")
    click.echo("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for group in found[0]:
        for share in found[0][group]:
            if all(share in split[group] for split in found):
                click.echo(line(group, share, [split[group][share] for split in found]))


if __name__ == "__main__":
    main()
