"""LiteLLM: its StandardLoggingPayload as JSON Lines or a JSON list. From the documented specification.

These are answers without grades: grade them with `routerdc grade`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.asking.outcome import CUT, FILTERED
from labelling.importers.record import Options, Record, lines, need, prompt
from labelling.prompts.prompt import text_of
from labelling.store.records import Answer

_CHAT_CALLS = {"completion", "acompletion"}
_FINISHES = {"length": CUT, "content_filter": FILTERED}


def read(path: Path, options: Options) -> Iterator[Record]:
    """The chat calls of one file."""
    for where, row in lines(path):
        if row.get("call_type", "completion") in _CHAT_CALLS:
            yield _record(row, options, where)


def _record(row: Mapping[str, Any], options: Options, where: str) -> Record:
    response = row.get("response")
    choice = (response.get("choices") or [{}])[0] if isinstance(response, Mapping) else {}
    text = text_of((choice.get("message") or {}).get("content")) or None
    failed = row.get("status") == "failure" or text is None
    answer = Answer(
        text=text,
        missing="failed in LiteLLM" if failed else _FINISHES.get(choice.get("finish_reason", "")),
        prompt_tokens=row.get("prompt_tokens"),
        answer_tokens=row.get("completion_tokens"),
        latency_ms=_latency_ms(row),
        cost_usd=row.get("response_cost"),
    )
    llm = options.llm or row.get("model_group") or need(row, "model", where)
    return Record(prompt(need(row, "messages", where), None, None, where), str(llm), answer)


def _latency_ms(row: Mapping[str, Any]) -> float | None:
    begun, ended = row.get("startTime"), row.get("endTime")
    return 1000 * (ended - begun) if isinstance(begun, int | float) and isinstance(ended, int | float) else None
