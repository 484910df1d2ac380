"""`python -m routerdc.evaluation.pools`: the recipe on every public pool, beside the frame (docs/evaluation/pools.md).

Every cell (a pool and a seed) is kept when it is done, so the same command goes on where it was stopped. The first seed
of every pool comes first.
"""

from pathlib import Path

import click
from tqdm import tqdm

from routerdc.data.formats.rows import DataError
from routerdc.evaluation.frozen_encoder import frozen_encoder
from routerdc.evaluation.measures.references import Embed
from routerdc.evaluation.pools.cell import Cell, cell_file, frame_cell, router_cell
from routerdc.evaluation.pools.page import Row, rows, write_page
from routerdc.evaluation.pools.pool import Pool, shipped_pools
from routerdc.training.encoder import open_encoder
from routerdc.training.recipe import Recipe, RecipeError, load_recipe
from routerdc_contract.bundle import BundleError
from routerdc_contract.output_path import OutputPath
from routerdc_contract.whole_file import write_whole

COMMAND = "make pools"


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default="data", show_default=True)
@click.option("--recipe", "recipe_name", default="default", show_default=True, help="A shipped recipe, or a YAML file.")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Trainings for each pool.")
@click.option("--only", multiple=True, help="A pool whose name begins so (repeatable); default: all.")
@click.option("--work", type=OutputPath(file_okay=False), default="build/pools", show_default=True, help="Keeps cells.")
@click.option("--out", type=OutputPath(file_okay=False), default="docs/evaluation", show_default=True)
def main(data: Path, recipe_name: str, seeds: int, only: tuple[str, ...], work: Path, out: Path) -> None:
    """Judge the recipe on every public pool and write pools.md and pools.json."""
    pools = [one for one in shipped_pools() if not only or one.name.startswith(only)]
    if not pools:
        raise click.BadParameter(f"no pool begins so: {', '.join(only)}", param_hint="--only")
    work.mkdir(parents=True, exist_ok=True)
    try:
        recipe = load_recipe(recipe_name)
        cells = [(one, seed) for seed in range(seeds) for one in pools]
        for one, seed in tqdm(cells, desc="pools", disable=None):
            _router(one, data, recipe, seed, work)
        found = {one.name: _rows(one, data, recipe, seeds, work) for one in tqdm(pools, desc="frame", disable=None)}
    except (BundleError, DataError, RecipeError) as error:
        raise click.ClickException(str(error)) from None
    for path in write_page(out, found, COMMAND):
        click.echo(path)


def _rows(one: Pool, data: Path, recipe: Recipe, seeds: int, work: Path) -> list[Row]:
    file = cell_file(work, one, None, 0)
    if not file.is_file():
        write_whole(file, frame_cell(one, data, _embed(recipe)).model_dump_json())
    cells = [_router(one, data, recipe, seed, work) for seed in range(seeds)]
    return rows(one, _read(file), cells)


def _embed(recipe: Recipe) -> Embed:
    """What the frame learns from: the tokens that the router reads, through the whole encoder."""
    settings = recipe.encoder
    spec = open_encoder(settings).spec
    return frozen_encoder(spec, max_tokens=settings.max_tokens, side=settings.truncation_side)


def _router(one: Pool, data: Path, recipe: Recipe, seed: int, work: Path) -> Cell:
    file = cell_file(work, one, recipe, seed)
    if not file.is_file():
        write_whole(file, router_cell(one, data, recipe, seed, open_encoder(recipe.encoder)).model_dump_json())
    return _read(file)


def _read(file: Path) -> Cell:
    return Cell.model_validate_json(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
