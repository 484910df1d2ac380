"""Options that several benchmarks take."""

from pathlib import Path

import click

from routerdc_contract.output_path import OutputPath

repository = click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/model_repository"),
    show_default=True,
    help="As `routerdc export` writes it.",
)
out = click.option("--out", type=OutputPath(file_okay=False), default=Path("docs/benchmarks"), show_default=True)
