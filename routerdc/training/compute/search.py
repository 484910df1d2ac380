"""How little compute is enough: quality of the same recipe at several depths, token limits and sides to cut.

A router's throughput follows its encoder's compute almost linearly, and often the first words in the first layers tell
a query's kind. This measures it on the user's own training data (cross-validation and leave-one-data-set-out), never on
a test set.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from routerdc.data.dataset import Dataset
from routerdc.tokenization import Side, token_ids
from routerdc.training.compute.depths import encode_once
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.preparation.features import CACHE_FOLDER
from routerdc.training.preparation.templates import without_template
from routerdc.training.recipe import Recipe
from routerdc.training.validation import cross_validated, leave_one_out

TOLERANCE_POINTS = 0.2
NAMES: dict[Side, str] = {"right": "on the right", "left": "on the left", "middle": "in the middle"}
LINES: dict[Side, str] = {"right": "o-", "left": "s--", "middle": "^:"}


@dataclass(frozen=True)
class Point:
    """One way of encoding. Qualities in per cent, means over data sets and seeds; compute in 10⁹ operations a query."""

    layers: int
    max_tokens: int
    truncation_side: Side
    gflop_per_query: float
    seen: float
    unseen: float | None


@dataclass(frozen=True)
class Grid:
    """What is tried, and how thoroughly.

    Every depth and limit is tried with the first of `sides`; the others with the depth that is chosen then, because
    where to cut and how deep to encode hardly depend on each other, and a point costs minutes.
    """

    layers: Sequence[int]
    max_tokens: Sequence[int]
    sides: Sequence[Side]
    seeds: int
    folds: int


def measure(
    datasets: Sequence[Dataset], recipe: Recipe, grid: Grid, *, device: str = "cpu", cache: Path | None = CACHE_FOLDER
) -> Iterator[Point]:
    """Every point of `grid`, as it is measured.

    Raises:
        ValueError: the recipe trains its encoder, which would take days here.
    """
    if recipe.encoder.trained:
        raise ValueError(f"recipe {recipe.name}: trains its encoder; compute is tuned with a frozen one")
    if cache:
        ways = [(limit, side) for limit in grid.max_tokens for side in grid.sides]
        encode_once(_texts(datasets, recipe), recipe.encoder, grid.layers, ways, device, cache)
    first, others = grid.sides[0], grid.sides[1:]
    bar = tqdm(total=len(grid.max_tokens) * (len(grid.layers) + len(others)), desc="points", disable=None)

    def point(depth: int, limit: int, side: Side) -> Point:
        changed = {"layers": depth, "max_tokens": limit, "truncation_side": side}
        measured = _point(datasets, recipe.changed(encoder=changed), grid, device, cache)
        bar.update()
        return measured

    points = []
    with bar:
        for limit, depth in product(grid.max_tokens, grid.layers):
            points.append(point(depth, limit, first))
            yield points[-1]
        depth = cheapest_good(points).layers
        for side, limit in product(others, grid.max_tokens):
            yield point(depth, limit, side)


def cheapest_good(points: Sequence[Point], tolerance: float = TOLERANCE_POINTS) -> Point:
    """The cheapest point within `tolerance` per cent points of the best one.

    Quality is that on seen data sets. Unseen data sets are shown, not chosen by: there are as few of them as there are
    data sets, and one that goes to another LLM as a whole moves their mean by more than any depth does.
    """
    best = max(point.seen for point in points)
    good = [point for point in points if point.seen >= best - tolerance]
    return min(good, key=lambda point: point.gflop_per_query)


def save(points: Sequence[Point], chosen: Point, folder: Path) -> None:
    """Writes `compute.json`, the table `compute.md` and the plot `compute.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(point), "chosen": point == chosen} for point in points]
    (folder / "compute.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    (folder / "compute.md").write_text(_markdown(points, chosen), encoding="utf-8")
    _plot(points, chosen, folder / "compute.png")


def table(points: Sequence[Point], chosen: Point) -> list[list[str]]:
    """Head and rows, cheapest first; the chosen one says so in the last column."""
    head = ["layers", "tokens", "cut", "GFLOP per query", "seen data sets", "unseen data set", ""]
    return [head, *(_cells(point, "chosen" if point == chosen else "") for point in points)]


def _cells(point: Point, mark: str) -> list[str]:
    unseen = "" if point.unseen is None else f"{point.unseen:.2f}"
    compute = f"{point.gflop_per_query:.3f}"
    return [str(point.layers), str(point.max_tokens), point.truncation_side, compute, f"{point.seen:.2f}", unseen, mark]


def _markdown(points: Sequence[Point], chosen: Point) -> str:
    head, *rows = table(points, chosen)
    lines = [head, ["---:"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _texts(datasets: Sequence[Dataset], recipe: Recipe) -> list[str]:
    queries = [query for data in datasets for query in data.queries]
    return [*queries, *map(without_template, queries)] if recipe.data.without_templates else queries


def _point(datasets: Sequence[Dataset], recipe: Recipe, grid: Grid, device: str, cache: Path | None) -> Point:
    encoder = open_encoder(recipe.encoder, device, cache)
    seeds = range(grid.seeds)
    seen = [cross_validated(datasets, recipe, seed, grid.folds, encoder).average for seed in seeds]
    several = len(datasets) > 1
    unseen = [leave_one_out(datasets, recipe, seed, encoder).average for seed in seeds] if several else []
    return Point(
        layers=recipe.encoder.layers or 0,
        max_tokens=recipe.encoder.max_tokens,
        truncation_side=recipe.encoder.truncation_side,
        gflop_per_query=gflop_per_query(encoder, datasets, recipe),
        seen=100 * float(np.mean(seen)),
        unseen=100 * float(np.mean(unseen)) if unseen else None,
    )


def gflop_per_query(encoder: Encoder, datasets: Sequence[Dataset], recipe: Recipe) -> float:
    """Matrix products of the encoder for the average query, in 10⁹ multiplications and additions."""
    limits = recipe.encoder.max_tokens, recipe.encoder.truncation_side
    lengths = [len(ids) for data in datasets for ids in token_ids(encoder.tokenizer, data.queries, *limits)]
    tokens = np.array(lengths, dtype=np.float64)
    weights = sum(part.weight.numel() for part in encoder.model.modules() if isinstance(part, nn.Linear))
    model: Any = encoder.model
    attention = 4 * model.config.num_hidden_layers * encoder.width * tokens**2
    return float(np.mean(2 * weights * tokens + attention)) / 1e9


def _plot(points: Sequence[Point], chosen: Point, path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for side in sorted({point.truncation_side for point in points}):
        for limit in sorted({point.max_tokens for point in points}):
            line = [point for point in points if (point.max_tokens, point.truncation_side) == (limit, side)]
            if line:
                axes.plot(*_xy(line), LINES[side], label=f"{limit} tokens, cut {NAMES[side]}")
    for point in points:
        axes.annotate(str(point.layers), (point.gflop_per_query, point.seen), (4, 4), textcoords="offset points")
    axes.plot(*_xy([chosen]), "k*", markersize=16, label="cheapest within the tolerance")
    axes.set(xlabel="10⁹ operations per query", ylabel="quality on seen data sets, per cent")
    axes.set_title("beside each point: layers of the encoder", fontsize="small")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _xy(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point.gflop_per_query for point in points], [point.seen for point in points]
