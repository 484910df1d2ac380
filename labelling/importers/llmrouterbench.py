"""LLMRouterBench's results (arXiv 2601.07206): one JSON file for each data set and LLM, with `records`.

From the layout that its README documents: `results/bench/DATASET/SPLIT/MODEL/TIMESTAMP.json` with `records` of
`origin_query`, `prediction`, `ground_truth`, `score`, `prompt_tokens`, `completion_tokens` and `cost`. The folders name
data set and LLM.
"""

from collections.abc import Iterator
from pathlib import Path

from labelling.importers.record import Options, Record, need, number, prompt, read_json
from labelling.store.records import Answer


def read(path: Path, options: Options) -> Iterator[Record]:
    """The records of one file."""
    run = read_json(path)
    llm = options.llm or run.get("model_name") or path.resolve().parent.name
    dataset = run.get("dataset_name") or path.resolve().parents[2].name
    for index, row in enumerate(need(run, "records", str(path)), start=1):
        where = f"{path}: record {index}"
        answer = Answer(
            text=str(row.get("prediction") or ""),
            prompt_tokens=row.get("prompt_tokens"),
            answer_tokens=row.get("completion_tokens"),
            cost_usd=row.get("cost"),
        )
        asked = prompt(row.get("origin_query") or need(row, "prompt", where), row.get("ground_truth"), dataset, where)
        yield Record(asked, str(llm), answer, number(need(row, "score", where), where), "LLMRouterBench")
