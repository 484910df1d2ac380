"""What an encoder is worth and what it costs: the ordinary recipe on its features, by seed, on sets of test queries.

Students are chosen by `cross_validated` on the training data; the tests show what was chosen, each once.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from routerdc.data.dataset import Dataset, pool
from routerdc.model import RouterModel
from routerdc.training.compute.search import gflop_per_query
from routerdc.training.encoder import Encoder
from routerdc.training.fit import fit
from routerdc.training.judging.judge import graded_choice
from routerdc.training.recipe import Recipe
from routerdc_contract.whole_file import write_whole


@dataclass(frozen=True)
class Row:
    """One encoder. `quality`: per cent by group of test sets, one for each seed; sets of a group weigh the same."""

    encoder: str
    gflop_per_query: float
    quality: dict[str, list[float]]


def measured(
    name: str,
    encoder: Encoder,
    recipe: Recipe,
    learn: Sequence[Dataset],
    tests: Mapping[str, Sequence[Dataset]],
    seeds: Sequence[int],
) -> Iterator[Row]:
    """Trains once for each seed by `recipe` on the features of `encoder`, and judges on every group of `tests`.

    Yields the row as it is after each seed, so that a run that is stopped leaves what it has measured.
    """
    llms = pool(learn)
    quality: dict[str, list[float]] = {group: [] for group in tests}
    for seed in seeds:
        model = fit(learn, recipe, seed, encoder=encoder).model
        for group, sets in tests.items():
            quality[group].append(_mean_quality(model, encoder, [one.aligned(llms) for one in sets]))
        yield Row(name, gflop_per_query(encoder, learn, recipe), quality)


def add(row: Row, file: Path) -> list[Row]:
    """Adds or replaces the row of an encoder in a JSON file, and returns all of them, cheapest first."""
    rows = [Row(**one) for one in json.loads(file.read_text("utf-8"))] if file.is_file() else []
    rows = sorted([*(one for one in rows if one.encoder != row.encoder), row], key=lambda one: one.gflop_per_query)
    write_whole(file, json.dumps([asdict(one) for one in rows], indent=1) + "\n")
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """A table: mean and standard deviation over the seeds."""
    groups = list(dict.fromkeys(group for row in rows for group in row.quality))
    head = ["encoder", "MFLOP a query", *groups]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for row in rows:
        cells = [_cell(row.quality.get(group, [])) for group in groups]
        lines.append([row.encoder, f"{1000 * row.gflop_per_query:,.1f}", *cells])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def plot(rows: Sequence[Row], file: Path) -> None:
    """Quality against compute, a panel for each group; what costs nothing stands at the left end."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    groups = list(dict.fromkeys(group for row in rows for group in row.quality))
    figure, panels = plt.subplots(1, len(groups), figsize=(4 * len(groups), 4), layout="constrained", squeeze=False)
    for axes, group in zip(panels[0], groups, strict=True):
        for row in rows:
            if values := row.quality.get(group):
                x = max(1000 * row.gflop_per_query, 0.1)
                axes.errorbar(x, np.mean(values), np.std(values), fmt="o", capsize=3)
                axes.annotate(row.encoder, (x, float(np.mean(values))), (4, 4), textcoords="offset points", fontsize=7)
        axes.set(xscale="log", xlabel="10⁶ operations a query", title=group)
    panels[0][0].set_ylabel("quality of the choice, per cent")
    figure.savefig(file, dpi=120)
    plt.close(figure)


def _mean_quality(model: RouterModel, encoder: Encoder, sets: Sequence[Dataset]) -> float:
    means = []
    for dataset in sets:
        with torch.no_grad():
            features = torch.from_numpy(encoder.features(dataset.queries))
            scores = model.score(model.project(features)).numpy()
        means.append(float(np.nanmean(graded_choice(scores, dataset.quality()))))
    return 100 * float(np.mean(means))


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else f"{values[0]:.2f}"
