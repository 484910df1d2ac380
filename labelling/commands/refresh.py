"""`routerdc refresh`: one round from new prompts to a better bundle in use, or to none."""

from pathlib import Path

import click

from labelling.errors import LabellingError


@click.command()
@click.argument("config", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def refresh(config: Path) -> None:
    """Ask, grade and train with new prompts, and use the new bundle if it is not worse than the one in use.

    CONFIG is refresh.yaml. Every round leaves a receipt in its folder: inputs, hashes, figures and the decision. The
    exit status is 0 whatever was decided, and 1 where a step failed.
    """
    from labelling.refresh.config import read_config
    from labelling.refresh.round import refresh as run
    from routerdc.data.formats.rows import DataError
    from routerdc_contract.bundle import BundleError

    try:
        decision = run(read_config(config))
    except (LabellingError, BundleError, DataError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(decision)
