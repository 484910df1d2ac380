"""`routerdc pool`: a new bundle with one LLM more or less, and what an LLM that joins late is worth."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.answer import Answer, answers
from cli.importing import importing
from cli.progress import working
from cli.table import Column, Table
from routerdc.data.options import Reading, reading
from routerdc_contract.bundle import ENGINE_FOLDER, GRAPH_FOLDER, NEIGHBOURS_FILE, BundleError, Manifest
from routerdc_contract.names import name_fault
from routerdc_contract.output_path import OutputPath
from routerdc_contract.whole_folder import copy_folder

if TYPE_CHECKING:
    from routerdc.loaded_bundle import Router
    from routerdc.model import RouterModel
    from routerdc_contract.bundle import LlmSpec

_BUNDLE = click.option(
    "--bundle",
    default="bundles/default",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The router to start from; it stays as it is.",
)
_OUT = click.option("--out", required=True, type=OutputPath(file_okay=False), help="The new bundle.")


@click.group()
def pool() -> None:
    """Add an LLM to a trained router, or remove one, without touching the others."""


@pool.command()
@click.argument("name")
@click.option(
    "--scores",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Queries with the new LLM's scores; scores of LLMs in the pool beside them make fewer queries go further.",
)
@_BUNDLE
@_OUT
@click.option("--price", type=click.FloatRange(min=0), help="US dollars per million tokens.")
@answers
def add(name: str, scores: Path, bundle: Path, out: Path, price: float | None, answer: Answer) -> None:
    """Learn the LLM NAME from scored queries, and say how good it looks and how often it would be chosen."""
    if fault := name_fault(name):
        raise click.BadParameter(fault)
    if name in _llms_of(bundle):
        raise click.BadParameter(f"{name} is in the pool of {bundle} already")
    with importing(), working("starting torch"):
        import torch

        from routerdc.data.formats.rows import DataError
        from routerdc.data.loading import load
        from routerdc.loaded_bundle import Router
        from routerdc.pool.change import PoolError, with_llm
        from routerdc.pool.newcomer import FEWEST_QUERIES, judge
        from routerdc_contract.bundle import LlmSpec

    try:
        with working(f"learning {name}"):
            router, scored = Router.load(bundle), load(scores)
            embedding = torch.from_numpy(router.embed(scored.queries))
            model, calibration = with_llm(router.model, router.llms, embedding, scored, name)
            newcomer = judge(router.model, router.llms, embedding, scored, name)
            spec = LlmSpec(name=name, price=price, calibration=calibration)
            manifest = _write(
                router, model, (*router.manifest.llms, spec), f"added {name}, {len(scored)} queries", bundle, out
            )
    except (BundleError, DataError, PoolError) as error:
        raise click.ClickException(str(error)) from None
    _say_written(answer, manifest, out)
    answer.add(newcomer=newcomer)
    few = f"{name}: fewer than {FEWEST_QUERIES} scored queries, too few to say how good it is"
    for sentence in str(newcomer or few).splitlines():
        answer.explain(sentence)


@pool.command()
@click.argument("name")
@_BUNDLE
@_OUT
@answers
def remove(name: str, bundle: Path, out: Path, answer: Answer) -> None:
    """Drop the LLM NAME."""
    if name not in (llms := _llms_of(bundle)):
        raise click.BadParameter(f"{bundle} has no LLM {name!r}; it has {', '.join(llms)}")
    with importing(), working("starting torch"):
        from routerdc.loaded_bundle import Router
        from routerdc.pool.change import PoolError, without_llm

    try:
        with working(f"removing {name}"):
            router = Router.load(bundle)
            model = without_llm(router.model, router.llms, name)
            kept = tuple(llm for llm in router.manifest.llms if llm.name != name)
            manifest = _write(router, model, kept, f"removed {name}", bundle, out)
    except (BundleError, PoolError) as error:
        raise click.ClickException(str(error)) from None
    _say_written(answer, manifest, out)


@pool.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--test", multiple=True, type=click.Path(exists=True, path_type=Path), help="Default: a fifth of DATA.")
@click.option("--recipe", "recipe_name", default="default", show_default=True, help="A shipped recipe, or a YAML file.")
@click.option("--queries", multiple=True, type=click.IntRange(min=1), default=(20, 50, 100, 300), show_default=True)
@click.option("--draws", default=4, show_default=True, type=click.IntRange(min=1), help="Of the scored queries.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Times all of it, from seed 0.")
@click.option("--out", required=True, type=OutputPath(file_okay=False), help="Gets table and numbers.")
@reading
@answers
def measure(
    data: tuple[Path, ...],
    test: tuple[Path, ...],
    recipe_name: str,
    queries: tuple[int, ...],
    draws: int,
    seeds: int,
    out: Path,
    reading: Reading,
    answer: Answer,
) -> None:
    """Leave each LLM of DATA out of training, add it back from few queries, and compare with training with it."""
    with importing(), working("starting torch"):
        from routerdc.data.formats.rows import DataError
        from routerdc.pool.growth import GrowthOverSeeds, measure_growth
        from routerdc.training.encoder import open_encoder
        from routerdc.training.recipe import RecipeError, load_recipe

    try:
        recipe = load_recipe(recipe_name)
        if recipe.encoder.trained:
            raise click.ClickException(f"recipe {recipe.name}: trains its encoder; frozen ones are measured")
        encoder = open_encoder(recipe.encoder)
        with working("reading the data"):
            train, judged = reading.load_all(data), reading.load_all(test)
        reports = [measure_growth(train, judged, recipe, encoder, queries, draws, seed) for seed in range(seeds)]
    except (BundleError, DataError, RecipeError) as error:
        raise click.ClickException(str(error)) from None
    growth = GrowthOverSeeds(tuple(reports))
    out.mkdir(parents=True, exist_ok=True)
    (out / "pool-growth.json").write_text(json.dumps(growth.as_json(), indent=2) + "\n", encoding="utf-8")
    (out / "pool-growth.md").write_text(growth.as_markdown(), encoding="utf-8")
    with_all = ", ".join(f"{report.with_all:.2f}" for report in reports)
    answer.add(**growth.as_json(), out=out)
    header, rows = growth.table()
    title = f"per cent points against training with all LLMs ({with_all})"
    answer.show("mean_over_seeds", Table([Column(header[0]), *(Column(name, "s") for name in header[1:])], rows, title))


def _say_written(answer: Answer, manifest: Manifest, out: Path) -> None:
    answer.add(bundle_id=manifest.bundle_id, out=out, llms=manifest.llm_names)
    answer.say(f"bundle {manifest.bundle_id} in {out}: {len(manifest.llms)} LLMs")


def _llms_of(bundle: Path) -> tuple[str, ...]:
    """Names of the bundle's LLMs. Needs no torch, so that a wrong name is refused at once."""
    try:
        return Manifest.read(bundle).llm_names
    except BundleError as error:
        raise click.ClickException(str(error)) from None


def _write(
    router: "Router", model: "RouterModel", llms: "tuple[LlmSpec, ...]", change: str, bundle: Path, out: Path
) -> Manifest:
    from routerdc.bundle_io import add_neighbours, save_bundle
    from routerdc.training.model_card import write_model_card

    old = router.manifest
    neighbours = None if old.neighbours_sha256 is None else (bundle / NEIGHBOURS_FILE).read_bytes()
    changes = [*old.training.get("pool_changes", []), change]
    manifest = save_bundle(
        out,
        model,
        router.tokenizer,
        name=old.name,
        encoder=old.encoder,
        llms=llms,
        max_tokens=old.tokenizer.max_tokens,
        truncation_side=old.tokenizer.truncation_side,
        training={**old.training, "from_bundle": old.bundle_id, "pool_changes": changes},
    )  # no metrics: those of the old pool are not this one's
    if neighbours is not None:
        manifest = add_neighbours(out, neighbours)
    write_model_card(out, manifest)
    _take_along(bundle, out)
    return manifest


def _take_along(bundle: Path, out: Path) -> None:
    """Graph and engine of the same encoder, so that `routerdc export` makes only the head again."""
    if out.resolve() == bundle.resolve():
        return
    for derived in (GRAPH_FOLDER, ENGINE_FOLDER):
        shutil.rmtree(out / derived, ignore_errors=True)
        if (bundle / derived).is_dir():
            copy_folder(bundle / derived, out / derived)
