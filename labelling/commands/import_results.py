"""`routerdc import`: results that another program has written, into the store and the table."""

from pathlib import Path

import click

from cli.progress import working
from labelling.commands.collect import DEFAULT_STORE
from labelling.errors import LabellingError
from routerdc_contract.output_path import OutputPath

FORMATS = ["lm-eval", "inspect", "promptfoo", "mlflow", "helm", "litellm", "langfuse", "routerbench", "llmrouterbench"]


@click.command("import")
@click.argument("name", metavar="FORMAT", type=click.Choice(FORMATS))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), default=DEFAULT_STORE, show_default=True,
    help="Where answers and grades are kept.",
)  # fmt: skip
@click.option("--out", type=OutputPath(dir_okay=False), help="The table to write (.jsonl), for `train`.")
@click.option("--metric", help="Which score to take where the file has several; default: the first.")
@click.option("--llm", help="The LLM's name, where the file does not say it or says it otherwise.")
@click.option(
    "--redact", help="FILE.py:FUNCTION: every text of prompts and answers passes through it before it is kept."
)
def import_results(
    name: str,
    files: tuple[Path, ...],
    store_path: Path,
    out: Path | None,
    metric: str | None,
    llm: str | None,
    redact: str | None,
) -> None:
    """Read the per-sample results that another program has written, in its FORMAT.

    Answers without grades (litellm) can be graded with `routerdc grade` afterwards.
    """
    from labelling.importers.record import Options
    from labelling.importers.run import import_all
    from labelling.prompts.redact import load_redact
    from labelling.store.store import Store
    from labelling.table.write import write_table

    try:
        with Store(store_path) as store:
            hook = load_redact(redact) if redact else None
            with working("reading the results"):
                counts = import_all(name, files, Options(metric, llm), store, hook)
            click.echo(f"{counts['answers']:,} answers, {counts['grades']:,} grades, {counts['missing']:,} missing")
            if out is not None:
                written = write_table(out, store)
                click.echo(f"{written.rows:,} rows with {written.scores:,} scores in {out}")
    except LabellingError as error:
        raise click.ClickException(str(error)) from None
