"""`python -m routerdc.evaluation.paraphrases BUNDLE…`: does a router choose the same LLM when a prompt is reworded?

PAIRS holds one JSON object a line, with `original` and `perturbed`. RouterArena's pairs may be used for evaluation
alone: nothing may be trained, fitted or chosen on them.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from routerdc.evaluation.reports.tables import Table, markdown_table
from routerdc.loaded_bundle import Router
from routerdc.tokenization import token_ids
from routerdc_contract.bundle import BundleError
from routerdc_contract.frozen import Frozen
from routerdc_contract.output_path import OutputPath

PAGE = "paraphrases.md"
NO_LIMIT = 1 << 20


class Agreement(Frozen):
    """One bundle on all pairs; everything but `pairs` and `limit` is a share of 1."""

    bundle: str
    pairs: int
    limit: int
    same_choice: float
    most_chosen: float
    """the share of the prompts that the LLM chosen most often gets: agreement is easy where it is near 1"""
    familiar: float | None
    """mean familiarity; None where the bundle does not know it"""
    cut: float
    """prompts longer than the bundle reads"""
    read: float
    """tokens that are read, of all"""


def agreement(router: Router, pairs: Sequence[tuple[str, str]]) -> Agreement:
    """How often `router` chooses one LLM for both wordings, and how much of them it reads."""
    prompts = [text for pair in pairs for text in pair]
    choice = router.score(prompts).argmax(axis=1)
    familiar = router.familiarity(prompts)
    limit = router.manifest.tokenizer.max_tokens
    lengths = np.array([len(ids) for ids in token_ids(router.tokenizer, prompts, NO_LIMIT, "right")])
    return Agreement(
        bundle=router.manifest.name,
        pairs=len(pairs),
        limit=limit,
        same_choice=float((choice[0::2] == choice[1::2]).mean()),
        most_chosen=float(np.bincount(choice).max() / len(choice)),
        familiar=None if familiar is None else float(familiar.mean()),
        cut=float((lengths > limit).mean()),
        read=float(np.minimum(lengths, limit).sum() / lengths.sum()),
    )


def read_pairs(file: Path) -> list[tuple[str, str]]:
    """The pairs of `file`, in its order.

    Raises:
        click.ClickException: a line is no pair; the message names it.
    """
    pairs = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            pairs.append((str(row["original"]), str(row["perturbed"])))
        except (ValueError, TypeError, KeyError) as error:
            raise click.ClickException(
                f"{file}:{number}: {error}: write an object with `original` and `perturbed`"
            ) from None
    if not pairs:
        raise click.ClickException(f"{file}: no pair")
    return pairs


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--pairs", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", default="docs/evaluation", show_default=True, type=OutputPath(file_okay=False))
def main(bundles: tuple[Path, ...], pairs: Path, out: Path) -> None:
    """Measure BUNDLES on pairs of prompts that mean the same, and write paraphrases.md."""
    known = read_pairs(pairs)
    try:
        found = [agreement(Router.load(bundle), known) for bundle in bundles]
    except BundleError as error:
        raise click.ClickException(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    (out / PAGE).write_text(page(found), encoding="utf-8")
    click.echo(out / PAGE)


def page(found: Sequence[Agreement]) -> str:
    """A table in Markdown."""
    header = ["bundle", "same LLM for both wordings", "the LLM chosen most", "familiarity", "tokens", "cut", "read"]
    rows = [
        [
            one.bundle,
            f"{one.same_choice:.1%}",
            f"{one.most_chosen:.0%}",
            "not known" if one.familiar is None else f"{one.familiar:.0%}",
            str(one.limit),
            f"{one.cut:.0%}",
            f"{one.read:.0%}",
        ]
        for one in found
    ]
    return (
        "# The same question in other words\n\n"
        f"`make paraphrases` makes this page: {found[0].pairs} pairs of RouterArena, a prompt and its rewording. They "
        "are for evaluation alone: nothing was trained or chosen on them. Choosing one LLM for nearly every prompt "
        "makes agreement easy, so its share stands beside it. *Cut*: prompts longer than the router reads; *read*: "
        "tokens that are read, of all.\n\n" + markdown_table(Table("", header, rows)) + "\n"
    )


if __name__ == "__main__":
    main()
