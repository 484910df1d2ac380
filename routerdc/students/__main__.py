"""Distil cheaper encoders from a recipe's, and compare what they cost with what they are worth.

python -m routerdc.students distil DATA... --test TEST... --size static-128 --out FOLDER
python -m routerdc.students table DATA... --test GROUP=TEST... --encoder path:FOLDER/static-128 --out FOLDER
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from routerdc.data.options import Reading, reading
from routerdc_contract.output_path import OutputPath
from routerdc_contract.whole_file import write_whole

if TYPE_CHECKING:
    from routerdc.data.dataset import Dataset
    from routerdc.students.architecture import Size
    from routerdc.students.distil import Effort

_path = click.Path(exists=True, path_type=Path)


def _sizes() -> "dict[str, tuple[Size, Effort]]":
    """The family: what a student is called, what it looks like, how long it learns."""
    from routerdc.students.architecture import Size
    from routerdc.students.distil import Effort

    family = [
        (Size(64), Effort(epochs=8, rate=1e-2)),
        (Size(128), Effort(epochs=8, rate=1e-2)),
        (Size(256), Effort(epochs=8, rate=1e-2)),
        (Size(128, layers=1, feed_forward=256), Effort(epochs=3, rate=3e-3)),
        (Size(128, layers=2, feed_forward=256), Effort(epochs=3, rate=3e-3)),
        (Size(256, layers=1, feed_forward=512), Effort(epochs=3, rate=3e-3)),
    ]
    return {size.name: (size, effort) for size, effort in family}


@click.group()
def main() -> None:
    """Cheaper encoders."""


@main.command("distil")
@click.argument("data", nargs=-1, required=True, type=_path)
@click.option("--test", "tests", multiple=True, required=True, type=_path, help="Texts that stand here are left out.")
@click.option("--recipe", "recipe_name", default="default", show_default=True, help="Its encoder is the teacher.")
@click.option("--size", "names", multiple=True, required=True, help="Of the family, such as static-128.")
@click.option("--seed", default=0, show_default=True)
@click.option("--out", required=True, type=OutputPath(file_okay=False), help="Gets a folder for each.")
def distil(
    data: tuple[Path, ...], tests: tuple[Path, ...], recipe_name: str, names: tuple[str, ...], seed: int, out: Path
) -> None:
    """Teach students on the texts of DATA; grades are not looked at."""
    from routerdc.students.teach import teach
    from routerdc.students.texts import unlabelled
    from routerdc.training.encoder import open_encoder
    from routerdc.training.recipe import load_recipe

    family = _sizes()
    if unknown := set(names) - set(family):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(family)}", param_hint="--size")
    recipe = load_recipe(recipe_name).encoder
    texts = unlabelled(_queries(data), _queries(tests))
    click.echo(f"{len(texts)} texts")
    for taught in teach(open_encoder(recipe), recipe, texts, [family[name] for name in names], out, seed):
        click.echo(f"{taught.folder}: explains {taught.explained:.1%} of the teacher's variance on held-out texts")


@main.command("table")
@click.argument("data", nargs=-1, required=True, type=_path)
@click.option("--test", "tests", multiple=True, required=True, help="GROUP=PATH; sets of a group weigh the same.")
@click.option("--recipe", "recipe_name", default="default", show_default=True)
@click.option("--encoder", help="path:FOLDER of a student; without it the recipe's own.")
@click.option("--name", required=True, help="Of the row.")
@click.option("--max-tokens", type=click.IntRange(8), help="Instead of the recipe's limit.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--out", required=True, type=OutputPath(file_okay=False), help="Table and plot.")
@reading
def table(
    data: tuple[Path, ...],
    tests: tuple[str, ...],
    recipe_name: str,
    encoder: str | None,
    name: str,
    max_tokens: int | None,
    seeds: int,
    out: Path,
    reading: Reading,
) -> None:
    """Train by the recipe on DATA, judge on every test, and add a row to the table in --out."""
    from routerdc.data.loading import load_all
    from routerdc.students.table import add, markdown, measured, plot
    from routerdc.training.encoder import open_encoder
    from routerdc.training.recipe import load_recipe

    recipe = load_recipe(recipe_name)
    if encoder:
        recipe = recipe.with_encoder(encoder)
    if max_tokens:
        recipe = recipe.changed(encoder={"max_tokens": max_tokens})
    groups: dict[str, list[Dataset]] = {}
    for test in tests:
        group, _, path = test.partition("=")
        groups.setdefault(group, []).extend(load_all([Path(path)]))
    encoder_of_row, learn = open_encoder(recipe.encoder), reading.load_all(data)
    for row in measured(name, encoder_of_row, recipe, learn, groups, range(seeds)):
        rows = add(row, out / "students.json")
        write_whole(out / "students.md", markdown(rows))
        plot(rows, out / "students.png")
        click.echo(markdown([row]))


def _queries(sources: Iterable[Path]) -> list[str]:
    from routerdc.data.loading import load_all

    return [query for dataset in load_all(sources) for query in dataset.queries]


if __name__ == "__main__":
    main()
