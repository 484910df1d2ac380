"""promptfoo, `promptfoo eval --output results.json`, results of version 3. Made and tested with 0.121.20.

An answer that was cut or filtered has a score there (of what there is of it); here it is missing. `cost` of a result is
0 where promptfoo knows no price, so the response's own is read; an answer from its cache took no time worth keeping.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.asking.outcome import FILTERED, FINISHES
from labelling.errors import ImportFormatError
from labelling.importers.record import Options, Record, need, number, prompt, read_json
from labelling.store.records import Answer

VERSION = 3


def read(path: Path, options: Options) -> Iterator[Record]:
    """The results of one file; the score is promptfoo's own over all assertions, or that of one named metric."""
    summary = need(read_json(path), "results", str(path))
    if not isinstance(summary, Mapping) or summary.get("version") != VERSION:
        version = summary.get("version") if isinstance(summary, Mapping) else None
        raise ImportFormatError(f"{path}: promptfoo results of version {version}, known is {VERSION}")
    for index, row in enumerate(need(summary, "results", str(path)), start=1):
        yield _record(row, options, f"{path}: result {index}")


def _record(row: Mapping[str, Any], options: Options, where: str) -> Record:
    provider, response = need(row, "provider", where), row.get("response") or {}
    usage = response.get("tokenUsage") or {}
    output = response.get("output")
    missing = "failed in promptfoo" if response.get("error") or output is None else _ended(response)
    answer = Answer(
        text=output if output is None or isinstance(output, str) else json.dumps(output, ensure_ascii=False),
        missing=missing,
        prompt_tokens=usage.get("prompt"),
        answer_tokens=usage.get("completion"),
        latency_ms=None if response.get("cached") else row.get("latencyMs"),
        cost_usd=response.get("cost"),
    )
    score = (row.get("namedScores") or {}).get(options.metric) if options.metric else row.get("score")
    reference = (row.get("vars") or {}).get("reference")
    asked = prompt(need(row, "prompt", where)["raw"], reference, None, where)
    llm = options.llm or provider.get("label") or provider["id"]
    return Record(asked, llm, answer, None if missing else number(score, where), options.metric or "promptfoo")


def _ended(response: Mapping[str, Any]) -> str | None:
    return FILTERED if response.get("isRefusal") else FINISHES.get(response.get("finishReason", ""))
