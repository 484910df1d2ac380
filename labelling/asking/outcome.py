"""What an answer or an error of the `openai` client means: something to grade, a reason why not, or a retry."""

import email.utils
import time
from dataclasses import dataclass

import openai
from openai.types.chat import ChatCompletion

CUT = "cut by max_tokens"
FILTERED = "refused by a filter"
EMPTY = "empty answer"
FINISHES = {"length": CUT, "content_filter": FILTERED}
"""What OpenAI's finish reasons mean for an answer; the others mean nothing."""
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


def missing_reason(completion: ChatCompletion) -> str | None:
    """Why a completion holds no answer to grade; None where it does."""
    if not completion.choices:
        return EMPTY
    choice = completion.choices[0]
    if choice.finish_reason in FINISHES:
        return FINISHES[choice.finish_reason]
    if choice.message.refusal:
        return FILTERED
    return None if (choice.message.content or "").strip() else EMPTY


def failure(error: openai.OpenAIError) -> Failure:
    """What an error means. The reason never holds the server's text, which may quote the prompt."""
    if isinstance(error, openai.APITimeoutError):
        return Failure("failed: no answer in time", retry=True, charged=True)
    if isinstance(error, openai.APIConnectionError):
        return Failure("failed: connection", retry=True, charged="Connect" not in type(error.__cause__).__name__)
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
