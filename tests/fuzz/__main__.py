"""`make fuzz`: every entrance with many cases, by hypothesis and coverage-guided; writes the counts as a table.

python -m tests.fuzz [--cases 6000] [--guided 8000] [--out docs/benchmarks/fuzz.md]
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from hypothesis import HealthCheck, given, settings

from deploy.local.command import SHIPPED_BUNDLE
from deploy.local.stack import export_bundle
from deploy.local.triton.server import TritonServer
from gateway.telemetry import logs
from loadtest import machine
from tests.fuzz import triton
from tests.fuzz.entrances import ENTRANCES, Entrance

SEEDS = 200
# Those that cross a network are too slow to be guided; what they parse is behind the others, too.
GUIDED = ("OpenAI bodies", "ext_proc message order", "Triton's answers", "bundle manifest", "endpoints.yaml",
          "API keys file", "data files")  # fmt: skip

_HEAD = """# Fuzzing

Command: `make fuzz`. {when}; {processor}, {cores} cores, commit {commit}. A failure is whatever is not the
entrance's documented error: another exception, INTERNAL or UNKNOWN, no answer within 10 s, memory that is not given
back, a process that ended.

| entrance | hypothesis | coverage-guided (atheris) | failures | s |
|---|---|---|---|---|
"""


@dataclass
class Result:
    """What one entrance went through."""

    name: str
    cases: int = 0
    guided: int = 0
    failures: int = 0
    seconds: float = 0.0


def generated(entrance: Entrance, cases: int, result: Result, seeds: list[bytes]) -> None:
    """Cases that hypothesis makes; the first of them become `seeds`."""

    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(entrance.strategy)
    def case(data: bytes) -> None:
        result.cases += 1
        if len(seeds) < SEEDS:
            seeds.append(data)
        entrance.check(data)

    try:
        case()
    except Exception as error:
        result.failures += 1
        click.echo(f"{entrance.name}: {error!r}\n{getattr(error, '__notes__', '')}", err=True)


def guided(entrance: Entrance, cases: int, result: Result, seeds: list[bytes]) -> None:
    """Cases that atheris finds, from `seeds` on."""
    with TemporaryDirectory() as name:
        corpus = Path(name) / "corpus"
        corpus.mkdir()
        for i, seed in enumerate(seeds):
            (corpus / str(i)).write_bytes(seed)
        command = [sys.executable, "-m", "tests.fuzz.guided", entrance.name, str(cases), str(corpus)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.search(r"number_of_executed_units: (\d+)", done.stderr)
        result.guided = int(found[1]) if found else 0
        if done.returncode != 0:
            result.failures += 1
            inputs = [path.read_bytes() for path in Path(name).iterdir() if path.is_file()]
            click.echo(f"{entrance.name}: {done.stdout[-3000:]}{done.stderr[-2000:]}\n{inputs}", err=True)


@contextmanager
def entrances() -> Iterator[list[Entrance]]:
    """All of them, those of a running Triton included."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        repository = export_bundle(SHIPPED_BUNDLE, Path(name))
        server = stack.enter_context(TritonServer(repository, log=Path(name) / "triton.log"))
        yield [*ENTRANCES, triton.entrance(server)]


@click.command()
@click.option("--cases", default=6000, show_default=True, help="Of hypothesis, for each entrance.")
@click.option("--guided", "guided_cases", default=8000, show_default=True, help="Of atheris, where it applies.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/benchmarks/fuzz.md"), show_default=True)
def main(cases: int, guided_cases: int, out: Path) -> None:
    """Fuzzes every entrance; exits with 1 where something failed."""
    logs.configure("error")
    facts, results = machine.describe(), []
    with entrances() as all_of_them:
        for entrance in all_of_them:
            result, seeds, started = Result(entrance.name), list[bytes](), time.monotonic()
            generated(entrance, cases, result, seeds)
            if entrance.name in GUIDED:
                guided(entrance, guided_cases, result, seeds)
            result.seconds = time.monotonic() - started
            results.append(result)
            click.echo(_line(result), nl=False)
    total = Result(
        "**all**", *(sum(getattr(r, name) for r in results) for name in ("cases", "guided", "failures", "seconds"))
    )
    click.echo(_line(total))
    head = _HEAD.format(when=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", **facts)
    out.write_text(head + "".join(map(_line, [*results, total])), encoding="utf-8")
    if total.failures:
        raise click.ClickException(f"{total.failures} entrances failed")


def _line(result: Result) -> str:
    guided = f"{result.guided:,}" if result.guided else ""
    return f"| {result.name} | {result.cases:,} | {guided} | {result.failures} | {result.seconds:.0f} |\n"


if __name__ == "__main__":
    main()
