"""`routerdc evaluate`: a bundle against everything it should beat."""

import datetime
from pathlib import Path

import click

from cli.answer import Answer, answers
from cli.importing import importing
from cli.progress import working
from routerdc.data.formats.rows import DataError
from routerdc.data.options import Reading, reading
from routerdc_contract.bundle import BundleError, Manifest
from routerdc_contract.output_path import OutputPath

DEFAULT_BUNDLE = Path("bundles/default")
DEFAULT_OUT = Path("build/evaluation")


@click.command()
@click.option(
    "--bundle", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_BUNDLE, show_default=True,
    help="Folder of the bundle to evaluate.",
)  # fmt: skip
@click.option(
    "--train", "train_paths", type=click.Path(path_type=Path, exists=True), multiple=True, required=True,
    help="Training data, file or folder (repeatable): what references and baselines are chosen and fitted on.",
)  # fmt: skip
@click.option(
    "--test", "test_paths", type=click.Path(path_type=Path, exists=True), multiple=True, required=True,
    help="Test data, file or folder (repeatable). In distribution if a training set has the same name.",
)  # fmt: skip
@click.option("--cost", is_flag=True, help="Also draw cost against quality (the data need costs or prices).")
@click.option("--robustness/--no-robustness", default=True, show_default=True, help="Changed prompts, smaller pools.")
@reading
@click.option("--note", "notes", multiple=True, help="What a reader of the report must know (repeatable).")
@click.option("--card", is_flag=True, help="Also put the main table into the bundle's model card.")
@click.option("--device", default="cpu", show_default=True, help="Where encoders run: cpu, cuda, …")
@click.option("--seed", type=int, default=0, show_default=True, help="Of bootstrap, typos and shuffled options.")
@click.option(
    "--out", type=OutputPath(file_okay=False), default=DEFAULT_OUT, show_default=True,
    help="Folder for report.html, report.json, report.md and its plots.",
)  # fmt: skip
@answers
def evaluate(
    bundle: Path,
    train_paths: tuple[Path, ...],
    test_paths: tuple[Path, ...],
    cost: bool,
    robustness: bool,
    reading: Reading,
    notes: tuple[str, ...],
    card: bool,
    device: str,
    seed: int,
    out: Path,
    answer: Answer,
) -> None:
    """Judge a bundle on test data, next to every single LLM, baselines, experts, the paper and the oracle."""
    with importing(), working("starting torch"):
        from routerdc.evaluation.evaluate import Options
        from routerdc.evaluation.evaluate import evaluate as run
        from routerdc.evaluation.frozen_encoder import frozen_encoder
        from routerdc.evaluation.loading import subject
        from routerdc.evaluation.reports.card import write_to_card
        from routerdc.evaluation.reports.terminal import show
        from routerdc.evaluation.reports.writing import write

    try:
        with working("reading the data"):
            train, test = reading.load_all(train_paths), reading.load_all(test_paths)
        options = Options(robustness=robustness, cost=cost, seed=seed, notes=notes)
        encoder = Manifest.read(bundle).encoder
        report = run(subject(bundle, device), train, test, frozen_encoder(encoder, device), options)
    except (BundleError, DataError) as error:
        raise click.ClickException(str(error)) from None
    with working("drawing the report"):
        written = write(report, out)
    if card:
        written.append(write_to_card(bundle, report, datetime.datetime.now(datetime.UTC).date()))
    show(answer, report, written)
