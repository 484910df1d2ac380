"""`routerdc prior`: a bundle from what one believes of LLMs, before there is a single grade."""

import datetime
from pathlib import Path

import click
import yaml

from cli.progress import working
from labelling.errors import LabellingError, PriorError
from routerdc_contract.output_path import OutputPath
from routerdc_contract.whole_file import write_whole

EXAMPLE = "flagships-2026-07"


@click.command()
@click.argument("table", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", required=True, type=OutputPath(), help="The new bundle; with --from, the table (.yaml).")
@click.option("--name", help="Name of the bundle; default: the name of its folder.")
@click.option(
    "--from", "data", multiple=True, type=click.Path(path_type=Path, exists=True),
    help="Write a table from graded data (file or folder, repeatable) instead: each LLM's mean in each domain.",
)  # fmt: skip
@click.option("--example", is_flag=True, help="Write the shipped example table to --out, to be edited.")
def prior(table: Path | None, out: Path, name: str | None, data: tuple[Path, ...], example: bool) -> None:
    """Make a bundle from TABLE (domain by LLM: expected quality and price), without training.

    A shipped recogniser, trained on public texts, finds the domain of a query. A prior is a guess:
    your own grades (`routerdc collect`, `grade`, `train`) replace it.
    """
    if sum((table is not None, bool(data), example)) != 1:
        raise click.UsageError("give one of TABLE, --from and --example")
    try:
        if example:
            _write_example(out)
        elif table is not None:
            with working("making the bundle"):
                _write_bundle(table, out, name)
        else:
            with working("making the table"):
                _write_table(data, out)
    except LabellingError as error:
        raise click.ClickException(str(error)) from None


def _write_example(out: Path) -> None:
    from importlib.resources import files

    write_whole(out, (files("labelling.prior") / f"{EXAMPLE}.yaml").read_text(encoding="utf-8"))
    click.echo(f"{out}: edit it, then routerdc prior {out} --out BUNDLE")


def _write_bundle(table: Path, out: Path, name: str | None) -> None:
    from labelling.prior.bundle import write_prior
    from labelling.prior.recogniser import shipped
    from labelling.prior.table import read_table
    from routerdc_contract.bundle import BundleError

    today = datetime.datetime.now(datetime.UTC).date()
    try:
        manifest = write_prior(out, read_table(table), shipped(), name or out.resolve().name, today)
    except BundleError as error:
        raise PriorError(str(error)) from None
    click.echo(
        f"bundle {manifest.bundle_id} in {out}: a prior over {len(manifest.llms)} LLMs until your own grades replace it"
    )


def _write_table(data: tuple[Path, ...], out: Path) -> None:
    from labelling.prior.means import table_of
    from labelling.prior.recogniser import shipped
    from routerdc.data.formats.rows import DataError
    from routerdc.data.loading import load_all

    try:
        datasets = load_all(data)
    except DataError as error:
        raise PriorError(str(error)) from None
    about = f"means of {', '.join(dataset.name for dataset in datasets)}"
    content = table_of(datasets, shipped(), about).model_dump(mode="json", exclude_defaults=True)
    write_whole(out, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    click.echo(f"{out}: routerdc prior {out} --out BUNDLE")
