"""Langfuse: generations with their scores, from the API (v2), a trace's download, or the export to blob storage.

From its documented fields; the API's are checked against the classes of Langfuse's own client (5.0.4). Both spellings
are known, camelCase of the API and snake_case of exports. Scores stand in the same file (`scores` beside
`observations`, or at a row), or in the export's folder `scores` beside `observations_v2`. A score of a whole trace
counts for its generation where the trace has only one. `--metric` chooses a score by its name.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.importers.record import Options, Record, from_json, lines, need, number, prompt, seconds_to_ms
from labelling.prompts.prompt import text_of
from labelling.store.records import Answer

_GRADES = {"NUMERIC", "BOOLEAN"}
_Row = Mapping[str, Any]
_Scores = dict[Any, dict[str, Any]]


def read(path: Path, options: Options) -> Iterator[Record]:
    """The generations of one file."""
    rows = [(where, _camel(row)) for where, row in lines(path)]
    scores = list(_beside(path))
    if len(rows) == 1 and "observations" in rows[0][1]:  # a trace's download
        where, trace = rows[0]
        rows = [(f"{where}: observation {index}", _camel(row)) for index, row in enumerate(trace["observations"], 1)]
        scores += map(_camel, trace.get("scores") or [])
    generations = [(where, row) for where, row in rows if need(row, "type", where) == "GENERATION"]
    by_id, alone = _by_id(scores), Counter(row.get("traceId") for _, row in generations)
    for where, row in generations:
        of_trace = by_id.get(row.get("traceId"), {}) if alone[row.get("traceId")] == 1 else {}
        own = _by_id(_camel(score) | {"observationId": row.get("id")} for score in row.get("scores") or [])
        found = of_trace | by_id.get(row.get("id"), {}) | own.get(row.get("id"), {})
        yield _record(row, found, options, where)


def _camel(row: _Row) -> dict[str, Any]:
    return {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): value for name, value in row.items()}


def _beside(path: Path) -> Iterator[dict[str, Any]]:
    folder = path.resolve().parent.parent / "scores"
    for file in sorted(folder.glob("*.json*")) if path.resolve().parent.name.startswith("observations") else ():
        yield from (_camel(row) for _, row in lines(file))


def _by_id(scores: Iterable[_Row]) -> _Scores:
    """Values by name, for each observation, or trace where no observation is named."""
    found: _Scores = {}
    for score in scores:
        if score.get("dataType", "NUMERIC") in _GRADES:
            of = score.get("observationId") or score.get("traceId")
            found.setdefault(of, {})[score["name"]] = score.get("value")
    return found


def _record(row: _Row, scores: Mapping[str, Any], options: Options, where: str) -> Record:
    given, output = from_json(need(row, "input", where)), from_json(row.get("output"))
    messages = given.get("messages", given) if isinstance(given, Mapping) else given
    text = text_of(output.get("content")) if isinstance(output, Mapping) else output
    usage = row.get("usageDetails") or row.get("usage") or {}
    cost = row.get("totalCost") or (row.get("costDetails") or {}).get("total")
    answer = Answer(
        text=text if isinstance(text, str) else None,
        missing=None if isinstance(text, str) and text and row.get("level") != "ERROR" else "failed in Langfuse",
        prompt_tokens=usage.get("input"),
        answer_tokens=usage.get("output"),
        latency_ms=seconds_to_ms(row.get("latency")),
        cost_usd=cost,
    )
    metric = options.metric or next(iter(scores), "")
    model = options.llm or row.get("model") or need(row, "providedModelName", where)
    return Record(prompt(messages, None, None, where), str(model), answer, number(scores.get(metric), where), metric)
