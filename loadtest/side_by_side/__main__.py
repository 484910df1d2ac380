"""Measures this router beside what people use today and writes the tables and the plot.

    python -m loadtest.side_by_side [--only NAME] [--rounds 5] [--seconds 15] [--out docs/benchmarks]

Who cannot be installed or started stands in the table with the reason.
"""

import asyncio
import datetime
import json
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from loadtest import machine
from loadtest.bench.setting import Subject
from loadtest.requests.query_stream import Supply
from loadtest.servers.servers import Parts
from loadtest.servers.stack import StackError
from loadtest.side_by_side import chat, encoders, environments
from loadtest.side_by_side.contenders import contenders
from loadtest.side_by_side.plot import draw
from loadtest.side_by_side.report import Report
from routerdc_contract.bundle import Manifest
from routerdc_contract.output_path import OutputPath

_FOLDER = Path("build/side_by_side")
_CONCURRENCIES = (1, 4)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seconds", type=click.FloatRange(1), default=15, show_default=True, help="At each rate.")
@click.option("--requests", type=click.IntRange(10), default=200, show_default=True, help="Chats in a round.")
@click.option("--only", "names", multiple=True, help="Just contenders whose name contains this; nothing is written.")
@click.option("--install-only", is_flag=True, help="Makes the environments and ends.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("data/routerdc"), show_default=True)
@click.option("--out", type=OutputPath(file_okay=False), default=Path("docs/benchmarks"))
def main(
    rounds: int, seconds: float, requests: int, names: tuple[str, ...], install_only: bool, data: Path, out: Path
) -> None:
    """Measure all contenders alternately."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # contenders are stopped then, too
    console = Console()
    _install(console)
    if install_only:
        return
    _FOLDER.mkdir(parents=True, exist_ok=True)
    shipped = Subject("shipped", Path("bundles/default"), Path("build/model_repository"))
    full_depth = Subject("full depth", Path("bundles/full-depth"), Path("build/full-depth/model_repository"))
    queries = Supply.of(data)
    utterances = {llm: queries.take(10) for llm in Manifest.read(shipped.bundle).llm_names}
    facts = machine.describe()
    with tempfile.TemporaryDirectory() as folder:
        everybody = contenders(Parts(Path(folder)), shipped, full_depth, utterances)
        chosen = [one for one in everybody if not names or any(name in one.name for name in names)]
        results = encoders.measure(chosen, queries, rounds, seconds, console)
    try:
        chats = asyncio.run(chat.measured(_FOLDER, rounds, requests, _CONCURRENCIES))
    except StackError as error:
        chats = chat.Chat({}, str(error))
    report = Report(facts, results, chats)
    for head, rows in (report.encoder_rows(), report.chat_rows()):
        table = Table(*head)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    if not names:
        _write(report, out)


def _install(console: Console) -> None:
    """Outside of the measurement. What fails is reported with the contender."""
    for one in (
        environments.SENTENCE_TRANSFORMERS,
        environments.SEMANTIC_ROUTER,
        environments.INFINITY,
        environments.LITELLM,
    ):
        with console.status(f"installing {one.name}"):
            try:
                one.python()
            except environments.InstallError as error:
                console.print(str(error), style="yellow")


def _write(report: Report, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    day = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    (out / "side-by-side.json").write_text(json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n")
    (out / "side-by-side.md").write_text(report.as_markdown(f"Side by side, {day}"))
    draw(report.encoders, out / "side-by-side.png")


if __name__ == "__main__":
    main()
