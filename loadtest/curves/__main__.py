"""Records load curves: Poisson arrivals at rising rates, and the highest rate that keeps p99 under a goal.

    python -m loadtest.curves [triton] [gateway] [gateway-workers] [envoy]

Each target gets a JSON file; table and plot show all that were recorded so far, so they can be recorded one by one.
"""

import datetime
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import grpc
from rich.console import Console

from loadtest import machine, options
from loadtest.curves import report
from loadtest.curves.targets import TARGETS, CurveTarget
from loadtest.open_loop import precise_loop
from loadtest.open_loop.arrivals import poisson
from loadtest.open_loop.curve import SHARES, Curve, trace
from loadtest.open_loop.generator import CallError, Load, Target, offer
from loadtest.perf_analyzer import PerfAnalyzer, UnavailableError
from loadtest.requests.queries import QueryMix, QuerySettings
from loadtest.servers.servers import PartError
from loadtest.servers.stack import StackError
from routerdc_contract.tensors import ROUTER_MODEL

# So long that hardly any call is cancelled: cancelled calls can end the embedded Triton (docs/how-to/loadtest.md).
_DEADLINE_SECONDS = 10.0
_WARM_UP_SECONDS = 10.0
_START_RATE = 40.0
_FOR_P999, _FEWEST_REQUESTS = 1000, 20
_PERF_ANALYZER_RATES = 4
_PERF_ANALYZER_QUERIES = 500
_PERF_ANALYZER_FOLDER = Path(".cache/perf_analyzer")


class Recorder:
    """Measures one target after the other with queries that are all different."""

    def __init__(self, goal_p99_ms: float, shortest_seconds: float, console: Console) -> None:
        self._goal_p99_ms = goal_p99_ms
        self._shortest_seconds = shortest_seconds
        self._console = console
        self._mix = QueryMix(QuerySettings(repeat_share=0), seed=1)

    def record(self, name: str, target: CurveTarget, repository: Path) -> dict[str, Any]:
        """Everything about one curve, for its JSON file.

        Raises:
            PartError, StackError: a part did not start.
            CallError: no connection, or it was lost.
            UnavailableError: perf_analyzer failed, where it is there.
        """
        facts, served = machine.describe(), _served(repository)
        with tempfile.TemporaryDirectory() as folder, target.start(Path(folder), repository) as entrance:

            async def traced() -> Curve:
                async with entrance.connect() as connected:
                    await self._load(target, connected, _START_RATE, _WARM_UP_SECONDS)
                    return await trace(
                        name, lambda rate: self._at_rate(target, connected, rate), self._goal_p99_ms, _START_RATE
                    )

            curve = precise_loop.run(traced())
            compared = self._perf_analyzer(entrance.triton_address, curve) if entrance.triton_address else []
        return {
            "description": target.description,
            "recorded": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            "deadline_seconds": _DEADLINE_SECONDS,
            **asdict(curve),
            "highest_rate_within_goal": curve.highest_rate_within_goal,
            "perf_analyzer": compared,
            "served": served,
            "machine": facts,
        }

    async def _at_rate(self, target: CurveTarget, connected: Target, rate: float) -> Load:
        wanted = min(2 * self._shortest_seconds, max(self._shortest_seconds, _FOR_P999 * 1.1 / rate))
        seconds = max(wanted, _FEWEST_REQUESTS / rate)
        load = await self._load(target, connected, rate, seconds)
        if lost := load.errors[grpc.StatusCode.UNAVAILABLE.name]:
            raise CallError(f"{lost} calls were lost (UNAVAILABLE) at {rate:g}/s: did a part die?")
        self._console.print(
            f"{rate:6.1f}/s: p50 {load.latency_ms(0.5):.1f} ms, p99 {load.latency_ms(0.99):.1f} ms {dict(load.errors)}"
        )
        return load

    async def _load(self, target: CurveTarget, connected: Target, rate: float, seconds: float) -> Load:
        arrivals = poisson(rate, seconds, seed=round(rate * 1000))
        return await offer(connected, [target.message(self._mix.next()) for _ in arrivals], arrivals, _DEADLINE_SECONDS)

    def _perf_analyzer(self, triton_address: str, curve: Curve) -> list[dict[str, Any]]:
        """The same rates by perf_analyzer, evenly picked among those within the goal; none where it cannot be had."""
        try:
            tool = PerfAnalyzer(_PERF_ANALYZER_FOLDER)
        except UnavailableError as error:
            self._console.print(f"without perf_analyzer: {error}")
            return []
        queries = [self._mix.next() for _ in range(_PERF_ANALYZER_QUERIES)]
        points = []
        for rate in _picked([point.rate_per_second for point in curve.points if point.within_goal]):
            seen = tool.poisson(triton_address, queries, rate, self._shortest_seconds)
            enough = {share: len(seen.took_ms) * (1 - share) >= 1 for share in SHARES.values()}
            latencies = {name: seen.latency_ms(share) if enough[share] else None for name, share in SHARES.items()}
            points.append(
                {
                    "rate_per_second": rate,
                    "answered_per_second": seen.per_second,
                    "requests": len(seen.took_ms),
                    "latency_ms": latencies,
                }
            )
        return points


def _served(repository: Path) -> str:
    """Bundle and engine, as the export noted them."""
    record = json.loads((repository / ROUTER_MODEL / "export.json").read_text(encoding="utf-8"))
    return f"bundle {record['bundle_id']}, engine {record['inputs']['target']}"


def _picked(rates: list[float]) -> list[float]:
    """At most four of `rates`, which ascend, the last one among them."""
    step = max(1, -(-len(rates) // _PERF_ANALYZER_RATES))
    return rates[::-1][::step][::-1]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option("--goal-p99-ms", type=click.FloatRange(0, min_open=True), default=50, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    default=12,
    show_default=True,
    help="Of each rate; up to twice as long where it takes that to see 1000 requests.",
)
@options.repository
@options.out
def main(names: tuple[str, ...], goal_p99_ms: float, seconds: float, repository: Path, out: Path) -> None:
    """Record the curves NAMES (all without any), and draw everything that is recorded."""
    console, folder = Console(), out / "curves"
    folder.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(goal_p99_ms, seconds, console)
    try:
        for name in names or TARGETS:
            console.print(TARGETS[name].description)
            recorded = recorder.record(name, TARGETS[name], repository)
            (folder / f"{name}.json").write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
    except (PartError, StackError, CallError, UnavailableError) as error:
        raise click.ClickException(str(error)) from None
    curves = report.read(folder, list(TARGETS))
    report.plot(curves, out / "curves.svg")
    (out / "curves.md").write_text(report.markdown(curves) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
