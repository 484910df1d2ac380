"""What a demo endpoint says, in the forms of OpenAI's three APIs and of Anthropic's, whole or as a stream of events.

Pure functions; no network here.
"""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from deploy.local.demo import anthropic as demo_anthropic

CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
INPUT_FIELDS = {
    CHAT: "messages",
    COMPLETIONS: "prompt",
    RESPONSES: "input",
    demo_anthropic.MESSAGES: "messages",
    demo_anthropic.COUNT_TOKENS: "messages",
}

Json = dict[str, Any]


def answer(llm: str, given: str | list[Any]) -> str:
    """The text that every API answers with."""
    count = 1 if isinstance(given, str) else len(given)
    return (
        f"This is a demo endpoint standing in for {llm}: no LLM runs here. It received {count} "
        "message(s). Put the addresses of your real servers into endpoints.yaml."
    )


def whole(api: str, llm: str, given: str | list[Any]) -> Json:
    """The answer in one piece."""
    text = answer(llm, given)
    words_in, words_out = len(str(given).split()), len(text.split())  # a demo has no tokenizer
    if api == demo_anthropic.COUNT_TOKENS:
        return demo_anthropic.token_count(words_in)
    if api == demo_anthropic.MESSAGES:
        return demo_anthropic.whole(llm, text, words_in)
    if api == RESPONSES:
        usage = {"input_tokens": words_in, "output_tokens": words_out, "total_tokens": words_in + words_out}
        return _response(llm, "completed", text) | {"usage": usage}
    usage = {"prompt_tokens": words_in, "completion_tokens": words_out, "total_tokens": words_in + words_out}
    choice: Json = {"index": 0, "finish_reason": "stop"}
    if api == CHAT:
        choice["message"] = {"role": "assistant", "content": text}
        return _head("chatcmpl", "chat.completion", llm) | {"choices": [choice], "usage": usage}
    return _head("cmpl", "text_completion", llm) | {"choices": [choice | {"text": text}], "usage": usage}


def events(api: str, llm: str, given: str | list[Any]) -> Iterator[str]:
    """The answer as server-sent events, a word each."""
    if api == demo_anthropic.MESSAGES:
        yield from demo_anthropic.events(llm, answer(llm, given), len(str(given).split()))
        return
    words = [word + " " for word in answer(llm, given).split()]
    if api == RESPONSES:
        yield from _response_events(llm, words)
        return
    chunks = _chat_chunks(llm, words) if api == CHAT else _text_chunks(llm, words)
    yield from (_event(chunk) for chunk in chunks)
    yield "data: [DONE]\n\n"


def _chat_chunks(llm: str, words: list[str]) -> Iterator[Json]:
    head = _head("chatcmpl", "chat.completion.chunk", llm)
    for delta in ({"role": "assistant"}, *({"content": word} for word in words)):
        yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def _text_chunks(llm: str, words: list[str]) -> Iterator[Json]:
    head = _head("cmpl", "text_completion", llm)
    for word in words:
        yield head | {"choices": [{"index": 0, "text": word, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}


def _response_events(llm: str, words: list[str]) -> Iterator[str]:
    yield _event({"type": "response.created", "sequence_number": 0, "response": _response(llm, "in_progress", "")})
    for number, word in enumerate(words, 1):
        place = {"item_id": "msg-demo", "output_index": 0, "content_index": 0, "logprobs": []}
        yield _event({"type": "response.output_text.delta", "sequence_number": number, "delta": word} | place)
    done = _response(llm, "completed", "".join(words).strip())
    yield _event({"type": "response.completed", "sequence_number": len(words) + 1, "response": done})


def _response(llm: str, status: str, text: str) -> Json:
    content = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "id": "msg-demo", "status": status, "role": "assistant", "content": [content]}
    fixed = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    head = {"id": _id("resp"), "object": "response", "created_at": int(time.time()), "model": llm, "status": status}
    return {**head, "output": [message] if text else [], **fixed}


def _head(prefix: str, kind: str, llm: str) -> Json:
    return {"id": _id(prefix), "object": kind, "created": int(time.time()), "model": llm}


def _id(prefix: str) -> str:
    return f"{prefix}-demo-{uuid.uuid4().hex[:12]}"


def _event(data: Json) -> str:
    name = f"event: {data['type']}\n" if "type" in data else ""
    return f"{name}data: {json.dumps(data)}\n\n"
