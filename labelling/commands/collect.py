"""`routerdc collect`: ask the LLMs of a pool and keep every answer."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.progress import working
from labelling.errors import LabellingError

if TYPE_CHECKING:
    from labelling.collect.run import Report
    from labelling.plan.choose import Plan
    from labelling.pool.endpoints import PoolFile
    from labelling.prompts.prompt import Prompt
    from labelling.store.store import Store

DEFAULT_STORE = Path("labels.db")


@click.command()
@click.argument("prompts", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--endpoints", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="endpoints.yaml: whom to ask, where, with which key, at which price.",
)  # fmt: skip
@click.option(
    "--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), default=DEFAULT_STORE, show_default=True,
    help="Where prompts, answers and grades are kept (SQLite, readable by you alone).",
)  # fmt: skip
@click.option("--llm", "llms", multiple=True, help="Ask only this LLM of the pool (repeatable).")
@click.option("--max-usd", type=click.FloatRange(min=0), help="Dollars that all calls of this store may ever cost.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=1024, show_default=True, help="Longest answer.")
@click.option("--temperature", type=click.FloatRange(min=0, max=2), help="Default: the server's own.")
@click.option("--prompts", "most_prompts", type=click.IntRange(min=1), help="Ask so many prompts that cover all.")
@click.option(
    "--share", type=click.FloatRange(min=0, max=1, min_open=True), default=1.0, show_default=True,
    help="Share of all prompt × LLM cells that is to have been asked when this run ends: all LLMs, on prompts that "
    "represent the rest; after the first grades, on further prompts the LLMs that may be the best.",
)  # fmt: skip
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=8, show_default=True, help="Calls at a time, each endpoint."
)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Most calls a second, each endpoint.")
@click.option("--timeout-seconds", type=click.FloatRange(min=0, min_open=True), default=300.0, show_default=True)
@click.option("--retry-missing", is_flag=True, help="Ask again where an earlier call brought no answer.")
@click.option("--redact", help="FILE.py:FUNCTION: every text of a prompt passes through it before it is kept or sent.")
@click.option("--skip-bad-rows", is_flag=True, help="Leave rows without a prompt out instead of stopping.")
@click.option("--dry-run", is_flag=True, help="Print plan and estimate, and ask nobody.")
def collect(prompts: tuple[Path, ...], endpoints: Path, store_path: Path, dry_run: bool, **options: Any) -> None:
    """Ask the LLMs of endpoints.yaml the prompts in PROMPTS (JSON Lines, JSON, CSV or Parquet).

    Can be stopped and started again at any time: no answer is lost, and no call that was answered is made again.
    """
    from labelling.pool.endpoints import read_pool
    from labelling.store.store import Store

    try:
        pool = read_pool(endpoints).only(options["llms"])
        chats = _prompts(prompts, options)
        with Store(store_path) as store:
            chosen = _planned(chats, pool, store, options)
            if dry_run:
                return
            store.add_prompts(chosen.prompts)
            store.set_steered(chosen.steered)
            _print_report(_asked(chosen, pool, store, options), store_path)
    except LabellingError as error:
        raise click.ClickException(str(error)) from None


def _prompts(paths: tuple[Path, ...], options: dict[str, Any]) -> "list[Prompt]":
    from labelling.plan.duplicates import distinct
    from labelling.prompts.readers import read_prompts
    from labelling.prompts.redact import load_redact, redacted

    with working("reading the prompts"):
        found, bad = read_prompts(paths, skip_bad_rows=options["skip_bad_rows"])
        if options["redact"]:
            redact = load_redact(options["redact"])
            found = [redacted(prompt, redact) for prompt in found]
        kept = distinct(found)
    skipped = f", {len(bad)} rows without a prompt skipped" if bad else ""
    click.echo(f"{len(found):,} prompts, {len(found) - len(kept):,} repeated ones dropped{skipped}")
    return kept


def _planned(chats: "list[Prompt]", pool: "PoolFile", store: "Store", options: dict[str, Any]) -> "Plan":
    """The plan, printed with its estimate."""
    from labelling.asking.budget import check_prices
    from labelling.collect.estimate import estimate, habits
    from labelling.plan.choose import choose
    from labelling.plan.features import router_features

    if options["max_usd"] is not None:
        check_prices(pool)
    known = habits(store, pool.llms)
    chooses = options["share"] < 1 or (options["most_prompts"] or len(chats)) < len(chats)
    features = router_features() if chooses else None
    chosen = choose(
        chats, list(pool.llms), store, features, most_prompts=options["most_prompts"], share=options["share"]
    )
    by_key = {prompt.key: prompt for prompt in chosen.prompts}
    cells = _open_cells(chosen, pool, store, options)
    costs = estimate([(by_key[key], llm) for key, llm in cells], pool, known, options["max_tokens"])
    kinds = f" of {chosen.clusters} kinds" if chosen.clusters else ""
    click.echo(f"plan: {len(chosen.prompts):,} prompts{kinds}, {len(pool.llms)} LLMs, {len(cells):,} calls to make")
    click.echo(
        f"estimate: ${costs.expected_usd:.4f}, at most ${costs.most_usd:.4f}; spent so far ${store.spent_usd():.4f}"
    )
    if costs.assumed:
        click.echo(
            f"  assumed, for want of answers so far: {', '.join(costs.assumed)}; ask a few prompts to know better"
        )
    if costs.unpriced:
        click.echo(f"  not counted, for want of a price: {', '.join(costs.unpriced)}")
    return chosen


def _open_cells(chosen: "Plan", pool: "PoolFile", store: "Store", options: dict[str, Any]) -> list[tuple[str, str]]:
    from labelling.store.records import Cell

    done = store.done(retry_missing=options["retry_missing"])
    models = {name: next(e.model for e in llm.endpoints if e.in_use) for name, llm in pool.llms.items()}
    return [
        (key, llm)
        for key, llm in chosen.cells
        if Cell(key, llm, models[llm], pool.llms[llm].settings(settings_of(options))).key not in done
    ]


def settings_of(options: dict[str, Any]) -> dict[str, Any]:
    """What is sent beside the chat."""
    temperature = options["temperature"]
    return {"max_tokens": options["max_tokens"], **({} if temperature is None else {"temperature": temperature})}


def _asked(chosen: "Plan", pool: "PoolFile", store: "Store", options: dict[str, Any]) -> "Report":
    from labelling.asking.asker import Manner
    from labelling.collect.run import collect as ask_all

    manner = Manner(options["concurrency"], options["rate"], timeout_seconds=options["timeout_seconds"])
    return asyncio.run(
        ask_all(
            chosen.cells,
            pool,
            store,
            settings_of(options),
            max_usd=options["max_usd"],
            manner=manner,
            retry_missing=options["retry_missing"],
        )
    )


def _print_report(report: "Report", store: Path) -> None:
    click.echo(f"{report.answered:,} answers for ${report.spent_usd:.4f}, kept in {store}")
    for reason, count in sorted(report.missing.items()):
        click.echo(f"  missing: {count:,} {reason}")
    for reason, count in sorted(report.not_asked.items()):
        click.echo(f"  not asked: {count:,}, {reason}")
