"""LLMRouterBench's results (arXiv 2601.07206): `results/bench/DATASET/SPLIT/MODEL/….json`, one data set and LLM a file.

Made and tested with its own storage at commit 0e267fb. As there, demonstration runs are left out. A record that failed
has no tokens, and its error as output; it is missing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.importers.record import Options, Record, need, number, prompt, read_json
from labelling.store.records import Answer

_FAILED = ("Processing failed: ", "Unexpected error: ")


def read(path: Path, options: Options) -> Iterator[Record]:
    """The records of one file."""
    run = read_json(path)
    records = need(run, "records", str(path))
    if run.get("demo"):
        return
    llm = options.llm or run.get("model_name") or path.resolve().parent.name
    dataset = run.get("dataset_name") or path.resolve().parents[2].name
    for index, row in enumerate(records, start=1):
        if row.get("origin_query") or row.get("prompt"):
            yield _record(row, str(llm), str(dataset), f"{path}: record {index}")


def _record(row: Mapping[str, Any], llm: str, dataset: str, where: str) -> Record:
    output, prediction = row.get("raw_output"), row.get("prediction")
    text = output if isinstance(output, str) and output else str(prediction or "")
    failed = not row.get("completion_tokens") and text.startswith(_FAILED)
    answer = Answer(
        text=None if failed else text,
        missing="failed in LLMRouterBench" if failed else None,
        prompt_tokens=row.get("prompt_tokens"),
        answer_tokens=row.get("completion_tokens"),
        cost_usd=row.get("cost"),
    )
    asked = prompt(row.get("origin_query") or row["prompt"], row.get("ground_truth") or None, dataset, where)
    return Record(asked, llm, answer, number(need(row, "score", where), where), "LLMRouterBench")
