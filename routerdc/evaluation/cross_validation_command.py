"""`routerdc cross-validate`: a recipe against everything it should beat, on data without test sets."""

from pathlib import Path

import click

from cli.answer import Answer, answers
from cli.importing import importing
from cli.progress import working
from routerdc.data.options import Reading, reading
from routerdc_contract.output_path import OutputPath

DEFAULT_OUT = Path("build/cross-validation")


@click.command("cross-validate")
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--recipe", "recipe_name", default="default", show_default=True, help="A shipped recipe, or a YAML file.")
@click.option("--folds", default=5, show_default=True, type=click.IntRange(min=2))
@click.option("--seed", default=0, show_default=True, help="Of the folds, the training and the bootstrap.")
@click.option(
    "--out", type=OutputPath(file_okay=False), default=DEFAULT_OUT, show_default=True,
    help="Folder for report.html, report.json, report.md and its plots.",
)  # fmt: skip
@reading
@answers
def cross_validate(
    data: tuple[Path, ...], recipe_name: str, folds: int, seed: int, out: Path, reading: Reading, answer: Answer
) -> None:
    """Judge a recipe on DATA: every row by a router, and by baselines, that have not seen it."""
    with importing(), working("starting torch"):
        from routerdc.data.formats.rows import DataError
        from routerdc.evaluation.cross_validation import Folds
        from routerdc.evaluation.cross_validation import cross_validate as run
        from routerdc.evaluation.frozen_encoder import frozen_encoder
        from routerdc.evaluation.reports.terminal import show
        from routerdc.evaluation.reports.writing import write
        from routerdc.training.encoder import open_encoder
        from routerdc.training.recipe import RecipeError, load_recipe
        from routerdc_contract.bundle import BundleError

    try:
        recipe = load_recipe(recipe_name)
        if recipe.encoder.trained:
            raise click.ClickException(f"recipe {recipe.name}: trains its encoder; frozen ones are cross-validated")
        encoder = open_encoder(recipe.encoder)
        with working("reading the data"):
            datasets = reading.load_all(data)
        report = run(datasets, recipe, frozen_encoder(encoder.spec), Folds(folds, seed), encoder)
    except (BundleError, DataError, RecipeError) as error:
        raise click.ClickException(str(error)) from None
    show(answer, report, write(report, out))
