"""How near the engines for CPUs come to what a core can compute at all: operations reached over the instructions' peak.

    python -m loadtest.engines.roofline bundles/full-depth --out docs/benchmarks/roofline.md

`peak.c` measures the peak of each instruction set in registers, on this core; it needs a C compiler. Engines compute on
one thread. Peaks and engines take turns, and CPU time is counted, so a busy machine spoils little. Of a query's
operations the products with weights are int8 in an int8 engine; attention's own products stay fp32 in both.
"""

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import numpy as np

from export.parity.triton_model_runner import served_code
from export.triton.config import MODEL_FOLDER
from loadtest.engines.compare import Engines
from routerdc.encoder_source import resolve_encoder
from routerdc.model import load_encoder
from routerdc_contract.bundle import Manifest
from routerdc_contract.output_path import OutputPath
from routerdc_contract.whole_file import write_whole

_SHAPES = ((1, 64), (4, 64), (2, 128))
_ENGINES = ("PyTorch fp32", "ONNX Runtime fp32", "ONNX Runtime int8, ranges measured before")
_FP32, _EXACT = "fp32 AVX2", "int8 AVX2, exact"
_SECONDS = 0.3


class Work(NamedTuple):
    """Operations of a pass, in 10⁹: products with weights, and of attention."""

    weights: float
    attention: float


class Row(NamedTuple):
    """An engine on a shape: CPU ms of a pass, 10⁹ operations a second, and the share of the least possible time."""

    engine: str
    shape: tuple[int, int]
    ms: float
    reached: float
    share: float


def peaks(program: Path) -> dict[str, float]:
    """10⁹ operations a second by instruction set, of those that this core has."""
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return {name: float(value) for name, _, value in (line.rpartition(": ") for line in printed.splitlines())}


def least_ms(work: Work, fp32: float, products: float) -> float:
    """What a pass takes at least, at the peaks of the instructions for attention and for products with weights."""
    return 1000 * (work.weights / products + work.attention / fp32)


def measure(bundle: Path, rounds: int, program: Path) -> tuple[dict[str, float], list[Row]]:
    """Peaks (medians of the rounds), and a row for each engine and shape."""
    manifest = Manifest.read(bundle)
    with served_code(MODEL_FOLDER / "1"), TemporaryDirectory() as folder:
        engines = Engines(bundle, manifest, Path(folder))
        computes = {name: engines.load(name, threads=1) for name in _ENGINES}
        found: dict[str, list[float]] = {}
        taken: dict[tuple[str, tuple[int, int]], list[float]] = {}
        for _ in range(rounds):
            for name, value in peaks(program).items():
                found.setdefault(name, []).append(value)
            for engine, compute in computes.items():
                for shape in _SHAPES:
                    taken.setdefault((engine, shape), []).append(_cpu_seconds(compute, shape))
    peak = {name: statistics.median(values) for name, values in found.items()}
    work = {shape: _work(manifest, *shape) for shape in _SHAPES}
    return peak, [_row(key, statistics.median(values), work[key[1]], peak) for key, values in taken.items()]


def markdown(peak: dict[str, float], rows: Sequence[Row]) -> str:
    """Both tables."""
    lines = ["| instructions | 10⁹ operations a second, one core |", "|---|---:|"]
    lines += [f"| {name} | {value:.0f} |" for name, value in peak.items()]
    lines += [
        "",
        "| engine, one thread | rows × tokens | CPU ms | 10⁹ operations a second | of the least possible time |",
    ]
    lines += ["|---|---|---:|---:|---:|"]
    lines += [
        f"| {row.engine} | {row.shape[0]} × {row.shape[1]} | {row.ms:.2f} | {row.reached:.0f} | {row.share:.0%} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _row(key: tuple[str, tuple[int, int]], seconds: float, work: Work, peak: dict[str, float]) -> Row:
    fp32 = max(value for name, value in peak.items() if name.startswith("fp32"))
    products = peak.get("int8 VNNI", peak[_EXACT]) if "int8" in key[0] else fp32
    return Row(*key, seconds * 1000, sum(work) / seconds, least_ms(work, fp32, products) / seconds / 1000)


def _cpu_seconds(compute: Callable[[list[object]], object], shape: tuple[int, int]) -> float:
    """Of a pass over such rows, after one that warms up."""
    from engines.engine import TokenSlice  # of the served model, on the path here

    ids = np.random.default_rng(0).integers(1000, 2000, shape, dtype=np.int32)
    part = TokenSlice(ids, np.ones_like(ids))
    compute([part])
    started, passes = time.process_time(), 0
    while (spent := time.process_time() - started) < _SECONDS:
        compute([part])
        passes += 1
    return spent / passes


def _work(manifest: Manifest, rows: int, tokens: int) -> Work:
    from torch import nn

    encoder = load_encoder(resolve_encoder(manifest.encoder), manifest.encoder.layers)
    linear = [part.weight for part in encoder.modules() if isinstance(part, nn.Linear)]
    width, layers = int(encoder.config.hidden_size), int(encoder.config.num_hidden_layers)  # type: ignore[union-attr,arg-type]
    weights = 2 * sum(weight.numel() for weight in linear) * rows * tokens
    return Work(weights / 1e9, 4 * layers * width * tokens**2 * rows / 1e9)


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--out", type=OutputPath(dir_okay=False), help="Gets the tables; always printed.")
def main(bundle: Path, rounds: int, out: Path | None) -> None:
    """Measure the engines of BUNDLE against this core's peak."""
    with TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        source = Path(__file__).with_name("peak.c")
        try:
            subprocess.run(["cc", "-O2", "-o", program, source], check=True)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            raise click.ClickException(f"{source}: needs a C compiler for x86-64 as `cc`: {error}") from None
        page = markdown(*measure(bundle, rounds, program))
    click.echo(page)
    if out:
        write_whole(out, page)


if __name__ == "__main__":
    main()
