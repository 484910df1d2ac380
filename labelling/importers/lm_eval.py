"""lm-evaluation-harness, `--log_samples`: samples_TASK_DATE.jsonl. Made and tested with version 0.4.13.

The model's name is in results_DATE.json beside it. A task with several filters writes each document once for each
filter; `--metric METRIC,FILTER` chooses, else the first filter of the file is read. Of tasks with choices, the answer
is the choice that the LLM finds likeliest, and the reference the right one, both in words.
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
        arguments = _arguments(row, where)
        text, reference = _answered(need(row, "resps", where), arguments, row.get("target"))
        score = number(need(row, name, where), f"{where}: {name}")
        yield Record(prompt(_question(arguments[0]), reference, task, where), llm, Answer(text=text), score, name)


def _model(path: Path) -> str:
    for file in sorted(path.parent.glob("results_*.json")):
        if name := read_json(file).get("model_name"):
            return str(name)
    raise ImportFormatError(f"{path}: no results_*.json beside it that names the model: give --llm")


def _arguments(row: Mapping[str, Any], where: str) -> list[list[Any]]:
    """What was sent: for each request its arguments; older files hold lists, newer ones objects."""
    given = need(row, "arguments", where)
    requests = given.values() if isinstance(given, Mapping) else given
    found = [list(one.values()) if isinstance(one, Mapping) else list(one) for one in requests]
    if not found or not found[0]:
        raise ImportFormatError(f"{where}: arguments: empty")
    return found


def _question(arguments: list[Any]) -> Any:
    """A chat, or a text; for choices the context that they share."""
    first = arguments[0]
    given = first[0] if isinstance(first, list) and len(first) == 1 and isinstance(first[0], str) else first
    try:
        return json.loads(given) if given.startswith('[{"role"') else given
    except ValueError:
        return given


def _answered(responses: Any, arguments: list[list[Any]], target: Any) -> tuple[str, Any]:
    """Answer and reference; for responses that are likelihoods of choices, the likeliest and the right one."""
    firsts = [response[0] for response in responses if response]
    if not firsts or isinstance(firsts[0], str):
        return (firsts[0] if firsts else ""), target
    choices = [str(pair[1]).strip() if len(pair) > 1 else "" for pair in arguments]
    likelihoods = [float(first[0]) if isinstance(first, list) else float(first) for first in firsts]
    right = int(target) if str(target).isdigit() and int(target) < len(choices) else None
    return choices[likelihoods.index(max(likelihoods))], target if right is None else choices[right]
