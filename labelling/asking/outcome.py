"""What an answer or an error of the `openai` client means: something to grade, a reason why not, or a retry."""

import email.utils
import json
import time
from dataclasses import dataclass
from typing import Any

import openai

CUT = "cut by max_tokens"
FILTERED = "refused by a filter"
EMPTY = "empty answer"
FINISHES = {"length": CUT, "content_filter": FILTERED}
"""What OpenAI's finish reasons mean for an answer; the others mean nothing."""
BROKEN = "failed: connection"
UNREADABLE = "failed: not a chat completion"
MOST_TOKENS = 10**9  # a server that reports more is not to be believed
TOO_LONG = "prompt is too long for the LLM"
RETRIED_STATUSES = {408, 409, 425, 429}  # and everything from 500
CHARGED_STATUSES = {502, 504, 524}  # a proxy's word that no answer came through: the LLM behind it may have written one
FATAL_STATUSES = {401, 403, 404}  # the same for every prompt: a wrong key, address or model name


@dataclass(frozen=True)
class Failure:
    """Why a call failed. `retry`: worth asking again; `fatal`: every call to this LLM will fail the same way.

    `charged`: the server may have done the work, and charge for it. `wait_seconds`: what it asked for (Retry-After).
    """

    reason: str
    retry: bool = False
    fatal: bool = False
    charged: bool = False
    wait_seconds: float | None = None


@dataclass(frozen=True)
class Said:
    """What a completion says. `missing`: why it holds no answer to grade; `tokens`: of the prompt and of the answer."""

    text: str | None
    missing: str | None
    tokens: tuple[int, int] | None


class UnreadableError(Exception):
    """What came with status 200 is no chat completion."""


def said(completion: Any) -> Said:
    """Reads a response: what its JSON holds, or its text where the server calls it something else than JSON.

    Raises:
        UnreadableError: it is no chat completion.
    """
    try:
        found = json.loads(completion) if isinstance(completion, str) else completion
        tokens = _tokens(found.get("usage"))
        if not (choices := found.get("choices")):
            return Said(None, EMPTY, tokens)
        message, finish = choices[0]["message"], choices[0].get("finish_reason")
        text, refusal = message.get("content"), message.get("refusal")
    except (AttributeError, TypeError, LookupError, ValueError, RecursionError):
        raise UnreadableError from None
    if not isinstance(text, str | None):
        raise UnreadableError
    missing = FINISHES.get(finish) if isinstance(finish, str) else None
    return Said(text, missing or (FILTERED if refusal else None if (text or "").strip() else EMPTY), tokens)


def _tokens(usage: Any) -> tuple[int, int] | None:
    """None where the server says nothing that can be believed: then the most that the call can cost is booked."""
    if not isinstance(usage, dict):
        return None
    prompt, answer = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return None if prompt is None or answer is None else (prompt, answer)


def _count(tokens: Any) -> int | None:
    return tokens if type(tokens) is int and 0 <= tokens <= MOST_TOKENS else None


def failure(error: openai.OpenAIError) -> Failure:
    """What an error means. The reason never holds the server's text, which may quote the prompt."""
    if isinstance(error, openai.APITimeoutError):
        return Failure("failed: no answer in time", retry=True, charged=True)
    if isinstance(error, openai.APIConnectionError):
        return Failure(BROKEN, retry=True, charged="Connect" not in type(error.__cause__).__name__)
    if not isinstance(error, openai.APIStatusError):
        return Failure(f"failed: {type(error).__name__}", charged=True)
    status, code = error.status_code, str(error.code or "")
    if status == 400 and "content_filter" in code:
        return Failure(FILTERED)
    if code == "context_length_exceeded" or status == 413:
        return Failure(TOO_LONG)
    if code == "insufficient_quota":
        return Failure("failed: no quota left", fatal=True)
    return Failure(
        f"failed: HTTP {status}",
        retry=status in RETRIED_STATUSES or status >= 500,
        fatal=status in FATAL_STATUSES,
        charged=status in CHARGED_STATUSES,
        wait_seconds=retry_after(error.response.headers.get("retry-after")),
    )


def retry_after(header: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date; None where it holds neither."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        date = email.utils.parsedate_tz(header)
        return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
