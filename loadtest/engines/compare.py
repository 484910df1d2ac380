"""Finds the fastest correct engine on this CPU.

    python -m loadtest.engines.compare BUNDLE QUERIES TABLE

BUNDLE has its graph; QUERIES is a folder or file of scored queries (routerdc.data), none of which is asked twice by one
configuration; TABLE gets the result as Markdown. Every configuration runs once in each of `ROUNDS` rounds, so that
whatever else the machine does falls on all of them alike. Measured is what the Triton model does after
tokenization: sort a batch by length, slice it under a token budget, pad, compute.
"""

import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from export.artefacts.files import ENGINE_FILE, HEAD_FILE
from export.onnx.assemble import write_artefacts
from export.parity.triton_model_runner import served_code, served_tokens
from export.triton.config import MODEL_FOLDER
from routerdc_contract.bundle import Manifest

CODE = MODEL_FOLDER / "1"
ROUNDS = 5
QUERIES = 32
"""asked by one configuration in one round"""
JUDGED = 400
"""queries on which the choices are compared"""
SLICE_TOKENS = 256
BATCH = 32

Rows = list[npt.NDArray[np.int32]]
Compute = Callable[[list[Any]], list[npt.NDArray[np.float32]]]
"""the slices (`TokenSlice`) of a batch to their embeddings"""


@dataclass(frozen=True)
class Configuration:
    """One line of the table."""

    engine: str
    slice_tokens: int = SLICE_TOKENS
    batch: int = BATCH
    threads: int = 2
    instances: int = 1
    rates: list[tuple[float, float]] = field(default_factory=list)
    """queries a second, and a second of CPU time; one pair for each round"""


def configurations(engines: Sequence[str], best: str) -> list[Configuration]:
    """Every engine as it would be used, and more of `best`."""
    return [
        *(Configuration(engine) for engine in engines),
        *(Configuration(engine, batch=1) for engine in engines),
        *(Configuration(best, slice_tokens=tokens) for tokens in (32, 64, 128, 512, 1024)),
        Configuration(best, threads=1),
        Configuration(best, threads=1, instances=2),
    ]


class Engines:
    """Every engine by its name, made on demand with its number of threads."""

    def __init__(self, bundle: Path, manifest: Manifest, folder: Path) -> None:
        self._bundle, self._folder = bundle, folder
        for precision in ("fp32", "int8"):
            (folder / precision).mkdir()
            write_artefacts(bundle, folder / precision, precision)
        self._graphs = {
            "PyTorch fp32": None,
            "ONNX Runtime fp32": folder / "fp32" / ENGINE_FILE,
            "ONNX Runtime int8, ranges of the batch": self._dynamic(),
            "ONNX Runtime int8, ranges measured before": folder / "int8" / ENGINE_FILE,
            "OpenVINO fp32": folder / "fp32" / ENGINE_FILE,
            "OpenVINO bf16": folder / "fp32" / ENGINE_FILE,
            "OpenVINO int8 (the same graph)": folder / "int8" / ENGINE_FILE,
        }

    @property
    def names(self) -> list[str]:
        """Of all engines."""
        return list(self._graphs)

    def load(self, name: str, threads: int) -> Compute:
        """The engine `name` with so many threads."""
        graph = self._graphs[name]
        if graph is None:
            return _torch(self._bundle, threads)
        if name.startswith("OpenVINO"):
            precision = "bf16" if "bf16" in name else "f32"
            compute: Compute = import_module("engines.openvino_engine").OpenVinoEngine(graph, threads, precision).embed
        else:
            compute = import_module("engines.onnxruntime_engine").OnnxRuntimeEngine(graph, threads).embed
        return compute

    def _dynamic(self) -> Path:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        path = self._folder / "dynamic.onnx"
        types = {"op_types_to_quantize": ["MatMul"], "weight_type": QuantType.QInt8}
        quantize_dynamic(onnx.load(self._folder / "fp32" / ENGINE_FILE), path, per_channel=True, **types)
        return path


def _torch(bundle: Path, threads: int) -> Compute:
    import torch

    from routerdc.loaded_bundle import Router

    model = Router.load(bundle).model

    def compute(parts: list[Any]) -> list[npt.NDArray[np.float32]]:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return [
                model.embed(torch.from_numpy(part.input_ids), torch.from_numpy(part.attention_mask)).numpy()
                for part in parts
            ]

    return compute


def parts_of(rows: Rows, slice_tokens: int, threads: int = 1) -> list[Any]:
    """The slices of a batch, as the Triton model makes them for an engine with so many threads."""
    slicing = import_module("tokens.slicing")
    lengths = [len(row) for row in rows]
    cut = slicing.slices(lengths, slice_tokens, threads)
    return [slicing.pad([rows[i] for i in part], lengths[part[-1]]) for part in cut]


def filling(rows: Rows, slice_tokens: int) -> float:
    """Real tokens over computed tokens, in batches of `BATCH`."""
    parts = [
        part for start in range(0, len(rows), BATCH) for part in parts_of(rows[start : start + BATCH], slice_tokens)
    ]
    real = sum(int(part.attention_mask.sum()) for part in parts)
    return real / sum(int(part.attention_mask.size) for part in parts)


def measure(computes: Sequence[Compute], configuration: Configuration, rows: Rows) -> None:
    """Adds one round."""
    batches = [rows[start : start + configuration.batch] for start in range(0, len(rows), configuration.batch)]

    def answer(instance: int) -> None:
        for batch in batches[instance :: len(computes)]:
            computes[instance](parts_of(batch, configuration.slice_tokens, configuration.threads))

    with ThreadPoolExecutor(len(computes)) as instances:
        wall, processor = time.perf_counter(), time.process_time()
        list(instances.map(answer, range(len(computes))))
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    configuration.rates.append((len(rows) / wall, len(rows) / processor))


def embeddings(compute: Compute, rows: Rows) -> npt.NDArray[np.float32]:
    """(n, dim), in order; one row at a time."""
    return np.concatenate([compute(parts_of([row], SLICE_TOKENS))[0] for row in rows])


def run(bundle: Path, source: Path, table: Path) -> None:
    """Measures, and writes `table`."""
    from routerdc.data.loading import load_all

    manifest = Manifest.read(bundle)
    texts = sorted({query for dataset in load_all(source) for query in dataset.queries})
    random.Random(0).shuffle(texts)  # noqa: S311 - an order, no secret
    with TemporaryDirectory() as temporary, served_code(CODE):
        engines = Engines(bundle, manifest, Path(temporary))
        rows = served_tokens(CODE, Path(temporary) / "fp32", texts)
        head = import_module("head").Head.load(Path(temporary) / "fp32" / HEAD_FILE, manifest.scale)
        lines = _configuration_lines(engines, rows)
        judged = rows[-JUDGED:]
        reference = head.scores(embeddings(engines.load("PyTorch fp32", 2), judged))
        lines += [
            "",
            f"| engine | same choice as PyTorch fp32 on {JUDGED} queries | largest score error (cosine) |",
            "|---|---|---|",
        ]
        for name in engines.names:
            scores = head.scores(embeddings(engines.load(name, 2), judged))
            same = (scores.argmax(axis=1) == reference.argmax(axis=1)).mean()
            lines.append(f"| {name} | {same:.2%} | {np.abs(scores - reference).max() / manifest.scale:.1e} |")
        lines += ["", "| slice_tokens | real / computed tokens |", "|---|---|"]
        lines += [f"| {tokens} | {filling(rows, tokens):.3f} |" for tokens in (32, 64, 128, 256, 512, 1024)]
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("\n".join([*_head(manifest), *lines, ""]), encoding="utf-8")


def _configuration_lines(engines: Engines, rows: Rows) -> list[str]:
    chosen = "ONNX Runtime int8, ranges measured before"
    lines = configurations(engines.names, chosen)
    loaded = {
        (line.engine, line.threads, line.instances): [
            engines.load(line.engine, line.threads) for _ in range(line.instances)
        ]
        for line in lines
    }
    for computes in loaded.values():
        for compute in computes:
            embeddings(compute, rows[-BATCH:])
    for turn in range(ROUNDS):
        for i, line in enumerate(lines):
            start = (turn * len(lines) + i) * QUERIES % (len(rows) - JUDGED - QUERIES)
            measure(loaded[line.engine, line.threads, line.instances], line, rows[start : start + QUERIES])
    return [
        "| engine | slice_tokens | batch | threads × instances | queries/s | lowest–highest | queries per CPU-second |",
        "|---|---|---|---|---|---|---|",
        *map(_line, lines),
    ]


def _line(line: Configuration) -> str:
    walls, processors = zip(*line.rates, strict=True)
    return (
        f"| {line.engine} | {line.slice_tokens} | {line.batch} | {line.threads} × {line.instances} "
        f"| {statistics.median(walls):.0f} | {min(walls):.0f}–{max(walls):.0f} | {statistics.median(processors):.0f} |"
    )


def _head(manifest: Manifest) -> list[str]:
    layers = manifest.encoder.layers or "all"
    return [
        f"# Engines on a CPU: {manifest.encoder.name}, {layers} layers, {manifest.tokenizer.max_tokens} tokens",
        "",
        f"`make compare-engines`: medians of {ROUNDS} interleaved rounds of {QUERIES} queries, after tokenization.",
        "",
    ]


if __name__ == "__main__":
    run(*map(Path, sys.argv[1:4]))
