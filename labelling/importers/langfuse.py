"""Langfuse: observations from the API (`{"data": […]}`) or an export (JSON, JSON Lines). From its documented fields.

Generations are read, other observations are not. Scores that stand at a generation (`scores`) are taken; the score's
name is chosen with `--metric`. Both spellings of fields are known, camelCase of the API and snake_case of exports.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.importers.record import Options, Record, lines, need, number, prompt, seconds_to_ms
from labelling.prompts.prompt import text_of
from labelling.store.records import Answer


def read(path: Path, options: Options) -> Iterator[Record]:
    """The generations of one file."""
    for where, row in lines(path):
        fields = {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): value for name, value in row.items()}
        if need(fields, "type", where) == "GENERATION":
            yield _record(fields, options, where)


def _record(row: Mapping[str, Any], options: Options, where: str) -> Record:
    given, output = _json(need(row, "input", where)), _json(row.get("output"))
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
    scores = {score["name"]: score.get("value") for score in row.get("scores") or []}
    metric = options.metric or next(iter(scores), "")
    model = options.llm or row.get("model") or need(row, "providedModelName", where)
    return Record(prompt(messages, None, None, where), str(model), answer, number(scores.get(metric), where), metric)


def _json(value: Any) -> Any:
    """Exports hold chats as texts of JSON."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
