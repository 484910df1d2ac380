"""lm-evaluation-harness, `--log_samples`: samples_TASK_DATE.jsonl. Made and tested with version 0.4.13.

The model's name is in results_DATE.json beside it. A task with several filters writes each document once for each
filter; `--metric METRIC,FILTER` chooses, else the first filter of the file is read.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.errors import ImportFormatError
from labelling.importers.record import Options, Record, lines, need, number, prompt, read_json
from labelling.store.records import Answer


def read(path: Path, options: Options) -> Iterator[Record]:
    """The samples of one file."""
    llm = options.llm or _model(path)
    task = path.stem.removeprefix("samples_").rpartition("_")[0] or path.stem
    metric, _, wanted = (options.metric or "").partition(",")
    for where, row in lines(path):
        wanted = wanted or str(row.get("filter", ""))
        if str(row.get("filter", "")) != wanted:
            continue
        name = metric or str(need(row, "metrics", where)[0])
        text = _text(need(row, "resps", where))
        answer = Answer(text=text) if text is not None else Answer(text="")
        score = number(need(row, name, where), f"{where}: {name}")
        yield Record(prompt(_question(row, where), row.get("target"), task, where), llm, answer, score, name)


def _model(path: Path) -> str:
    for file in sorted(path.parent.glob("results_*.json")):
        if name := read_json(file).get("model_name"):
            return str(name)
    raise ImportFormatError(f"{path}: no results_*.json beside it that names the model: give --llm")


def _question(row: Mapping[str, Any], where: str) -> Any:
    """What was sent: a chat, or a text; for choices the context that they share."""
    arguments = need(row, "arguments", where)
    first = arguments["gen_args_0"]["arg_0"] if isinstance(arguments, Mapping) else arguments[0][0]
    given = first[0] if isinstance(first, list) and len(first) == 1 and isinstance(first[0], str) else first
    try:
        return json.loads(given) if given.startswith('[{"role"') else given
    except ValueError:
        return given


def _text(responses: Any) -> str | None:
    """The text of the first response; None where the responses are likelihoods."""
    first = responses[0][0] if responses and responses[0] else None
    return first if isinstance(first, str) else None
