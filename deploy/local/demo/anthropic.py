"""What a demo endpoint says in the form of Anthropic's Messages API, whole or as a stream of events. Pure functions."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

MESSAGES, COUNT_TOKENS = "/v1/messages", "/v1/messages/count_tokens"

Json = dict[str, Any]


def whole(llm: str, text: str, words_in: int) -> Json:
    """The answer in one piece."""
    end: Json = {"stop_reason": "end_turn", "usage": _usage(words_in, len(text.split()))}
    return _message(llm, words_in) | {"content": [{"type": "text", "text": text}]} | end


def events(llm: str, text: str, words_in: int) -> Iterator[str]:
    """The answer as server-sent events, a word each."""
    words = [word + " " for word in text.split()]
    yield _event("message_start", message=_message(llm, words_in))
    yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield _event("ping")
    for word in words:
        yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    yield _event("content_block_stop", index=0)
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _event("message_delta", delta=end, usage={"output_tokens": len(words)})
    yield _event("message_stop")


def token_count(words_in: int) -> Json:
    """The answer of count_tokens; a demo has no tokenizer and counts words."""
    return {"input_tokens": words_in}


def error(status: int, message: str) -> Json:
    """An error."""
    kind = "invalid_request_error" if status < 500 else "api_error"
    return {"type": "error", "error": {"type": kind, "message": message}}


def _message(llm: str, words_in: int) -> Json:
    head = {"id": f"msg_demo_{uuid.uuid4().hex[:12]}", "type": "message", "role": "assistant", "model": llm}
    return head | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": _usage(words_in, 0)}


def _usage(words_in: int, words_out: int) -> Json:
    return {"input_tokens": words_in, "output_tokens": words_out}


def _event(kind: str, **data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"
