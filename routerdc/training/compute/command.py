"""`routerdc tune-compute`: how deep an encoder and how many tokens a router of one's own data needs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.answer import Answer, answers
from cli.importing import importing
from cli.progress import working
from cli.table import Column, Table
from routerdc.data.options import Reading, reading
from routerdc_contract.output_path import OutputPath

if TYPE_CHECKING:
    from routerdc.tokenization import Side
    from routerdc.training.compute.search import Point


@click.command("tune-compute")
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--recipe", "recipe_name", default="default", show_default=True, help="A shipped recipe, or a YAML file.")
@click.option("--out", required=True, type=OutputPath(file_okay=False), help="Gets table and plot.")
@click.option("--layers", multiple=True, type=click.IntRange(min=0), default=(2, 3, 4, 6), show_default=True)
@click.option(
    "--max-tokens", multiple=True, type=click.IntRange(min=8), default=(32, 64, 128, 256, 512), show_default=True
)
@click.option(
    "--side",
    "sides",
    multiple=True,
    type=click.Choice(["left", "right", "middle"]),
    default=("right", "left"),
    show_default=True,
    help="Where long queries are cut: the first with every depth, others with the depth that is chosen. middle keeps "
    "head and tail, and is measured only: it cannot be served.",
)
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Runs per point.")
@click.option("--folds", default=5, show_default=True, type=click.IntRange(min=2), help="Of the cross-validation.")
@click.option("--steps", type=click.IntRange(min=1), help="Overrides the recipe's number of steps.")
@reading
@answers
def tune_compute(
    data: tuple[Path, ...],
    recipe_name: str,
    out: Path,
    layers: tuple[int, ...],
    max_tokens: tuple[int, ...],
    sides: "tuple[Side, ...]",
    seeds: int,
    folds: int,
    steps: int | None,
    reading: Reading,
    answer: Answer,
) -> None:
    """Measure quality against compute on DATA, and name the cheapest encoder that is good enough."""
    with importing(), working("starting torch"):
        import torch

        from routerdc.data.formats.rows import DataError
        from routerdc.training.compute.search import TOLERANCE_POINTS, Grid, cheapest_good, measure, save
        from routerdc.training.recipe import RecipeError, load_recipe
        from routerdc_contract.bundle import BundleError

    try:
        recipe = load_recipe(recipe_name)
        if steps:
            recipe = recipe.changed(optimizer={"steps": steps})
        grid = Grid(layers, max_tokens, sides, seeds, folds)
        points: list[Point] = []
        with working("reading the data"):
            datasets = reading.load_all(data)
        for point in measure(datasets, recipe, grid, device="cuda" if torch.cuda.is_available() else "cpu"):
            points = sorted([*points, point], key=lambda one: one.gflop_per_query)
            save(points, cheapest_good(points), out)  # a run that is stopped leaves what it has measured
    except (BundleError, DataError, RecipeError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    chosen = cheapest_good(points)
    answer.add(chosen=chosen, out=out)
    answer.show("points", _table(points, chosen), points)
    answer.explain(
        f"cheapest within {TOLERANCE_POINTS} of the best: layers: {chosen.layers}, max_tokens: {chosen.max_tokens}, "
        f"truncation_side: {chosen.truncation_side}; write these into your recipe. Table and plot are in {out}"
    )


def _table(points: "list[Point]", chosen: "Point") -> Table:
    from routerdc.training.compute.search import table

    head, *rows = table(points, chosen)
    title = "Quality of the choice against compute, per cent (training data only)"
    return Table([Column(name, "s") for name in head], rows, title)
