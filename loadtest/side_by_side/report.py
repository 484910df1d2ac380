"""Both comparisons as tables for people and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loadtest.bench.comparison import Spread, rounded
from loadtest.bench.report import COLUMNS, Run
from loadtest.side_by_side.chat import Chat
from loadtest.side_by_side.encoders import RATES, Result

_MIB = 2**20
_SOURCE = (
    "Command: `make side-by-side`. Everybody has the same encoder (all-MiniLM-L6-v2), the same "
    "real queries, which do not repeat, and the same cores, which the load generator shares. Throughput and CPU time "
    "are medians of rounds in turns, with the range of four fifths of them; latencies are measured at set rates "
    "(Poisson arrivals, from when a query was due) where the contender keeps up. All figures: `side-by-side.json`."
)


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    machine: Mapping[str, Any]
    encoders: Sequence[Result]
    chat: Chat

    def as_json(self) -> dict[str, Any]:
        """Every round."""
        return {
            "machine": dict(self.machine),
            "encoders": [asdict(one) for one in self.encoders],
            "chat": asdict(self.chat),
        }

    def as_markdown(self, title: str) -> str:
        """A page that says where the figures come from."""
        comparisons = Run(dict(self.machine), self.chat.comparisons())
        return (
            "\n\n".join(
                [
                    f"# {title}",
                    _SOURCE,
                    "## Encoders and routers",
                    table(*self.encoder_rows()),
                    "![Throughput, and latency at set rates](side-by-side.png)",
                    *[f"{one.name}: **{one.error}**" for one in self.encoders if one.error],
                    "## What a chat completion costs on its way",
                    table(*self.chat_rows()),
                    *([f"Missing: **{self.chat.error}**"] if self.chat.error else []),
                    table(list(COLUMNS), comparisons.rows()),
                    "## Machine",
                    comparisons.facts,
                ]
            )
            + "\n"
        )

    def encoder_rows(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows."""
        head = ["", "chooses an LLM", "queries/s (p10 to p90)", "CPU ms per query"]
        head += [f"p50, p99 at {rate:g}/s" for rate in RATES] + ["peak memory"]
        return head, [_encoder_row(one) for one in self.encoders]

    def chat_rows(self) -> tuple[list[str], list[list[str]]]:
        """Medians over the rounds: what each adds to the direct call."""
        rows = []
        for concurrency, targets in self.chat.took_ms.items():
            for name in targets:
                added = (self.chat.added_ms(concurrency, name, share) for share in (0.5, 0.99))
                rows.append([name, str(concurrency), *(f"{Spread.of(values).median:.2f} ms" for values in added)])
        return ["", "at a time", "p50 added to the direct call", "p99 added"], rows


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def _encoder_row(one: Result) -> list[str]:
    decides = "yes" if one.decides else "no"
    if one.error:
        return [one.name, decides, "failed, see below", *[""] * (len(RATES) + 2)]
    rate = one.queries_per_second
    return [
        f"**{one.name}**" if one.ours else one.name,
        decides,
        f"{rounded(rate.median)} ({rounded(rate.p10)} to {rounded(rate.p90)})",
        f"{one.cpu_ms:.3g}",
        *(_latency(one, rate) for rate in RATES),
        f"{one.peak_memory_bytes / _MIB:.0f} MiB",
    ]


def _latency(one: Result, rate: float) -> str:
    at = one.latency.get(rate)
    return "does not keep up" if at is None else f"{at.p50_ms:.3g}, {at.p99_ms:.3g} ms"
