"""Inspect logs (`inspect eval`), format version 2: .json, and .eval (a zip of zstd). Made and tested with 0.3.285."""

import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.asking.outcome import CUT, FILTERED
from labelling.errors import ImportFormatError
from labelling.importers.record import Options, Record, need, number, prompt, read_json, seconds_to_ms
from labelling.store.records import Answer

VERSION = 2
_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_STOPS = {"max_tokens": CUT, "model_length": CUT, "content_filter": FILTERED}
_ZSTD = 93


def read(path: Path, options: Options) -> Iterator[Record]:
    """The samples of one log; those that failed are missing."""
    header, samples = _archive(path) if path.suffix == ".eval" else _plain(path)
    if header.get("version") != VERSION:
        raise ImportFormatError(f"{path}: an Inspect log of version {header.get('version')}, known is {VERSION}")
    evaluation = need(header, "eval", str(path))
    llm = options.llm or str(evaluation["model"])
    for sample in samples:
        yield _record(sample, llm, str(evaluation["task"]), options, f"{path}: sample {sample.get('id')}")


def _record(sample: Mapping[str, Any], llm: str, task: str, options: Options, where: str) -> Record:
    target = sample.get("target")
    reference = target[0] if isinstance(target, list) and len(target) == 1 else target
    output, (metric, score) = sample.get("output") or {}, _score(sample, options, where)
    choices = output.get("choices") or [{}]
    missing = "failed in Inspect" if sample.get("error") else _STOPS.get(choices[0].get("stop_reason", ""))
    usage = output.get("usage") or {}
    answer = Answer(
        text=output.get("completion"),
        missing=missing,
        prompt_tokens=usage.get("input_tokens"),
        answer_tokens=usage.get("output_tokens"),
        latency_ms=seconds_to_ms(output.get("time")),
    )
    return Record(prompt(need(sample, "input", where), reference, task, where), llm, answer, score, metric)


def _score(sample: Mapping[str, Any], options: Options, where: str) -> tuple[str, float | None]:
    scores = sample.get("scores") or {}
    name = options.metric or next(iter(scores), "")
    if name not in scores:
        return name, None
    value = scores[name]["value"]
    return name, _LETTERS[value] if value in _LETTERS else number(value, f"{where}: {name}")


def _plain(path: Path) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    log = read_json(path)
    return log, log.get("samples") or []


def _archive(path: Path) -> tuple[Mapping[str, Any], Iterator[Mapping[str, Any]]]:
    try:
        archive = zipfile.ZipFile(path)
        header = json.loads(_member(archive, archive.getinfo("header.json")))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ImportFormatError(f"{path}: not an Inspect log that was finished: {error}") from None
    names = [info for info in archive.infolist() if info.filename.startswith("samples/")]
    return header, (json.loads(_member(archive, info)) for info in names)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A file of the archive; Python's zipfile knows zstd only from 3.14, so pyarrow decompresses it."""
    if info.compress_type != _ZSTD:
        return archive.read(info)
    import pyarrow as pa

    assert archive.fp is not None  # noqa: S101 - an open archive has one
    archive.fp.seek(info.header_offset)
    name, extra = struct.unpack("<26xHH", archive.fp.read(30))
    archive.fp.seek(info.header_offset + 30 + name + extra)
    compressed = archive.fp.read(info.compress_size)
    return bytes(pa.decompress(compressed, decompressed_size=info.file_size, codec="zstd"))
