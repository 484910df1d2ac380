"""The timings in locust's report: beside its CSV files, in its HTML page, and in the terminal.

Listens to locust's events; `attach` is all that the locustfile needs.
"""

import sys
from html import escape
from pathlib import Path
from typing import Any

from locust.env import Environment
from locust.runners import WorkerRunner
from rich.console import Console
from rich.table import Table

from loadtest.users.timings import CLIENT, TIMINGS, Row, write_csv

_REPORT_KEY = "timings"
_LOG_WIDTH = 120  # where no terminal tells
_TITLE = "Where the time went (client: as the caller saw it; the others: as the gateway's answers tell; ms)"


def attach(environment: Environment) -> None:
    """From now on, timings of `environment` are kept, gathered from workers, and reported at the end."""
    events = environment.events
    events.request.add_listener(_keep_client_latency)
    events.report_to_master.add_listener(_to_master)
    events.worker_report.add_listener(_from_worker)
    events.test_start.add_listener(lambda **_: TIMINGS.clear())
    if not isinstance(environment.runner, WorkerRunner):
        events.quit.add_listener(lambda **_: _write(environment))


def _keep_client_latency(name: str, response_time: float, exception: Exception | None, **_: Any) -> None:
    if exception is None:
        TIMINGS.add(name, CLIENT, round(response_time * 1e6))


def _to_master(client_id: str, data: dict[str, Any]) -> None:
    data[_REPORT_KEY] = TIMINGS.taken()


def _from_worker(client_id: str, data: dict[str, Any]) -> None:
    TIMINGS.merge(data.get(_REPORT_KEY, []))


def _write(environment: Environment) -> None:
    rows, options = list(TIMINGS.rows()), environment.parsed_options
    console = Console() if sys.stdout.isatty() else Console(width=_LOG_WIDTH)
    console.print(_table(rows))
    if options and options.csv_prefix:
        write_csv(Path(f"{options.csv_prefix}_timings.csv"), TIMINGS)
    if options and options.html_file and (page := Path(options.html_file)).is_file():
        html = page.read_text(encoding="utf-8")
        page.write_text(html.replace("</body>", f"{_html(rows)}</body>", 1), encoding="utf-8")


def _table(rows: list[Row]) -> Table:
    table = Table(*_titles(), title=_TITLE)
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _html(rows: list[Row]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in _titles())
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(row))}</tr>" for row in rows)
    return (
        f'<section id="timings" style="font-family: sans-serif; margin: 2em"><h2>{escape(_TITLE)}</h2>'
        f'<table border="1" cellpadding="6" style="border-collapse: collapse"><tr>{head}</tr>{body}</table></section>'
    )


def _titles() -> tuple[str, ...]:
    return "request", "stage", "calls", "p50", "p95", "p99", "p99.9", "max"


def _cells(row: Row) -> tuple[str, ...]:
    return row.request, row.stage, str(row.calls), *(f"{value:.3f}" for value in row[3:])
