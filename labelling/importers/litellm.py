"""LiteLLM: what its loggers get (StandardLoggingPayload) and rows of its spend logs, as JSON Lines or a JSON list.

Made by its proxy and tested with 1.108.7; spend logs follow the classes of that version. These are answers without
grades: grade them with `routerdc grade`. LiteLLM writes a cost of 0 where it knows no price, and times of its cache:
both are taken as unknown.
"""

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.asking.outcome import FINISHES
from labelling.errors import ImportFormatError
from labelling.importers.record import Options, Record, from_json, lines, need, prompt
from labelling.prompts.prompt import text_of
from labelling.store.records import Answer

_CHAT_CALLS = {"completion", "acompletion"}
_REDACTED = "redacted-by-litellm"


def read(path: Path, options: Options) -> Iterator[Record]:
    """The chat calls of one file."""
    for where, row in lines(path):
        if row.get("call_type", "completion") in _CHAT_CALLS:
            yield _record(row, options, where)


def _record(row: Mapping[str, Any], options: Options, where: str) -> Record:
    response = from_json(row.get("response"))
    choice = (response.get("choices") or [{}])[0] if isinstance(response, Mapping) else {}
    text = text_of((choice.get("message") or {}).get("content")) or None
    failed = row.get("status") == "failure" or text is None
    cached = str(row.get("cache_hit")).lower() == "true"
    answer = Answer(
        text=text,
        missing="failed in LiteLLM" if failed else FINISHES.get(choice.get("finish_reason", "")),
        prompt_tokens=row.get("prompt_tokens"),
        answer_tokens=row.get("completion_tokens"),
        latency_ms=None if cached or failed else _latency_ms(row),
        cost_usd=row.get("response_cost", row.get("spend")) or None,
    )
    llm = options.llm or row.get("model_group") or need(row, "model", where)
    messages = from_json(need(row, "messages", where))
    contents = [one.get("content") for one in messages] if isinstance(messages, list) else [messages]
    if not messages or _REDACTED in (text, *contents):
        raise ImportFormatError(
            f"{where}: LiteLLM has not kept the texts (turn_off_message_logging, or store_prompts_in_spend_logs is off)"
        )
    return Record(prompt(messages, None, None, where), str(llm), answer)


def _latency_ms(row: Mapping[str, Any]) -> float | None:
    begun, ended = _seconds(row.get("startTime")), _seconds(row.get("endTime"))
    return None if begun is None or ended is None else 1000 * (ended - begun)


def _seconds(time: Any) -> float | None:
    """Seconds since 1970: the payload's number, or the date of a spend log."""
    if isinstance(time, str):
        try:
            return datetime.datetime.fromisoformat(time).timestamp()
        except ValueError:
            return None
    return float(time) if isinstance(time, int | float) else None
