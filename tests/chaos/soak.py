"""Half an hour of steady load on a real gateway and a real Triton: does memory stay where it was after warm-up?

    python -m tests.chaos.soak [--minutes 30] [--per-second 60] [--out docs/benchmarks]

Unary calls, batches, streams, OpenAI requests through Envoy, callers that give up, wrong requests and reloads, all the
time. Writes soak.md with a plot of resident memory by process.
"""

import asyncio
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import matplotlib as mpl
import openai

from deploy.local.command import SHIPPED_BUNDLE
from deploy.local.processes.process import ProcessError
from deploy.local.stack import FrontPorts, Service, demo_endpoints, export_bundle, service
from deploy.local.triton.server import ANY_FREE_PORTS
from loadtest import machine
from loadtest.closed_loop import usage
from routerdc_client import AsyncRouterClient, RouteError, route_request
from routerdc_contract.output_path import OutputPath
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.whole_file import write_whole
from tests.chaos.load import unique_query
from tests.support.gateways.process import resident_mib

WARM_UP_SHARE = 0.2
SAMPLE_SECONDS = 5.0
LIMIT = 0.05
BOUNDED_ENTRIES = 5000


@dataclass
class Samples:
    """Resident MiB of each process over time."""

    minutes: list[float] = field(default_factory=list)
    mib: dict[str, list[float]] = field(default_factory=dict)

    def take(self, started: float, pids: dict[str, int]) -> None:
        """One more point for each process (a process and its children count as one)."""
        self.minutes.append((time.monotonic() - started) / 60)
        for name, pid in pids.items():
            self.mib.setdefault(name, []).append(sum(map(resident_mib, usage.tree(pid))))

    def growth(self, name: str) -> tuple[float, float]:
        """Median after warm-up and median of the last tenth, in MiB."""
        values, n = self.mib[name], len(self.minutes)
        warm, last = int(n * WARM_UP_SHARE), max(1, n // 10)
        return statistics.median_high(values[warm : warm + last]), statistics.median_high(values[-last:])


class Traffic:
    """Everything that callers do, in turns."""

    def __init__(self, router: AsyncRouterClient, client: openai.AsyncOpenAI) -> None:
        self.outcomes: Counter[str] = Counter()
        self._router = router
        self._client = client
        self._kinds: list[Callable[[], Any]] = [
            *[self._unary] * 12, *[self._chat] * 3,
            self._batch, self._stream, self._gives_up, self._wrong, self._cached,
        ]  # fmt: skip

    async def run(self, per_second: float, until: float) -> None:
        """Offers load until then."""
        due, tasks, n = time.monotonic(), set[asyncio.Task[None]](), 0
        while time.monotonic() < until:
            task = asyncio.create_task(self._counted(self._kinds[n % len(self._kinds)]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            n, due = n + 1, due + 1 / per_second
            await asyncio.sleep(due - time.monotonic())
        await asyncio.gather(*tasks)

    async def _counted(self, kind: Callable[[], Any]) -> None:
        try:
            outcome = await kind()
        except RouteError as error:
            outcome = error.code.name
        except openai.OpenAIError as error:
            outcome = type(error).__name__
        self.outcomes[f"{kind.__name__[1:]}: {outcome}"] += 1

    async def _unary(self) -> str:
        return _reason(await self._router.route(unique_query(), session_id=unique_query()[-40:]))

    async def _cached(self) -> str:
        return _reason(await self._router.route("What is the capital of France?"))

    async def _batch(self) -> str:
        results = await self._router.route_batch([route_request(unique_query()) for _ in range(16)], deadline_ms=5000)
        return "all decided" if all(result.HasField("response") for result in results) else "some failed"

    async def _stream(self) -> str:
        async def requests() -> Any:
            for i in range(8):
                yield route_request(unique_query(), request_id=str(i))

        return f"{len([result async for result in self._router.route_stream(requests())])} results"

    async def _chat(self) -> str:
        messages: Any = [{"role": "user", "content": unique_query()}]
        stream = await self._client.chat.completions.create(model="auto", messages=messages, stream=True)
        return "streamed" if [chunk async for chunk in stream] else "empty"

    async def _gives_up(self) -> str:
        task = asyncio.create_task(self._router.route(unique_query()))
        await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.wait([task])
        return "gave up"

    async def _wrong(self) -> str:
        return _reason(await self._router.route(" "))


def _reason(response: pb.RouteResponse) -> str:
    return pb.Reason.Name(response.reason).removeprefix("REASON_").lower()


async def soak(running: Service, minutes: float, per_second: float) -> tuple[Samples, Traffic]:
    """Offers load and looks at memory meanwhile."""
    client = openai.AsyncOpenAI(base_url=running.openai_base_url, api_key="none", max_retries=0)
    pids = {
        "gateway": running.gateway.pid,
        "Triton": running.triton.process.pid,
        "Envoy": running.envoy.process.pid,
    }
    samples, started = Samples(), time.monotonic()
    async with AsyncRouterClient(running.gateway_address) as router, client:
        traffic = Traffic(router, client)
        load = asyncio.create_task(traffic.run(per_second, started + minutes * 60))
        while not load.done():
            for process in running.processes:
                if not process.running:
                    raise ProcessError(f"{process.name} ended by itself; {process.log_tail()}")
            samples.take(started, pids)
            await asyncio.wait([load], timeout=SAMPLE_SECONDS)
        await load
    return samples, traffic


def _report(facts: dict[str, Any], samples: Samples, traffic: Traffic, minutes: float, per_second: float) -> str:
    lines = [
        "# Memory over time",
        "",
        f"Command: `make soak` ({minutes:g} minutes at {per_second:g} requests/s: unary, batches, streams, OpenAI",
        "streams through Envoy, callers that give up, wrong requests; cache and sessions bounded to",
        f"{BOUNDED_ENTRIES} entries, so that they are full when the warm-up is over). "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC;",
        f"{facts['processor']},",
        f"{facts['cores']} cores, commit {facts['commit']}.",
        "",
        "Medians of a tenth of the samples each: right after the warm-up (the first fifth), and at the end. "
        f"Goal: at most {LIMIT:.0%} more.",
        "",
        "| process | after warm-up, MiB | at the end, MiB | growth | |",
        "|---|---|---|---|---|",
    ]
    for name in samples.mib:
        warm, last = samples.growth(name)
        verdict = "holds" if last <= warm * (1 + LIMIT) else "**missed**"
        lines.append(f"| {name} | {warm:.1f} | {last:.1f} | {last / warm - 1:+.1%} | {verdict} |")
    lines += ["", "![resident memory by time](soak.svg)", "", "| outcome | calls |", "|---|---|"]
    lines += [f"| {outcome} | {count} |" for outcome, count in sorted(traffic.outcomes.items())]
    return "\n".join(lines) + "\n"


def _plot(samples: Samples, path: Path) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3.5))
    for name, values in samples.mib.items():
        axes.plot(samples.minutes, values, label=name)
    axes.set(xlabel="minutes", ylabel="resident MiB", ylim=(0, None))
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


@click.command()
@click.option("--minutes", default=30.0, show_default=True)
@click.option("--per-second", default=40.0, show_default=True)
@click.option("--out", type=OutputPath(file_okay=False), default=Path("docs/benchmarks"), show_default=True)
def main(minutes: float, per_second: float, out: Path) -> None:
    """Soaks the whole local stack and writes what its memory did."""
    facts = machine.describe()  # of the code that is about to run
    os.environ |= dict.fromkeys(("ROUTERDC_CACHE_ENTRIES", "ROUTERDC_MAX_SESSIONS"), str(BOUNDED_ENTRIES))
    with TemporaryDirectory() as name:
        folder = Path(name)
        repository = export_bundle(SHIPPED_BUNDLE, folder)
        with demo_endpoints(SHIPPED_BUNDLE, folder) as endpoints_file:
            parts = service(repository, endpoints_file, folder, ANY_FREE_PORTS, FrontPorts(0, 0, 0, gateway_http=0))
            with parts as running:
                samples, traffic = asyncio.run(soak(running, minutes, per_second))
    write_whole(out / "soak.md", _report(facts, samples, traffic, minutes, per_second))
    _plot(samples, out / "soak.svg")
    click.echo((out / "soak.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
