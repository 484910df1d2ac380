"""Options that several benchmarks take."""

from pathlib import Path

import click

repository = click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/model_repository"),
    show_default=True,
    help="As `routerdc export` writes it.",
)
out = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("docs/benchmarks"), show_default=True
)
