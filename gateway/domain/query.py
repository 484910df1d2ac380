"""A checked query, and a checked report about an endpoint, whichever door they came through."""

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.domain.outcomes import CallOutcome
from gateway.policy.eligibility import CallerRules


class Priority(enum.IntEnum):
    """Which queries are scored first where not all can be: the smaller number."""

    INTERACTIVE = 0  # a single query: somebody waits for this one answer
    BATCH = 1  # a row of a RouteBatch


class RouteQuery(NamedTuple):
    """A checked request. `cost_weight`, `min_margin` and `min_confidence` None mean the configured ones."""

    text: str
    rules: tuple[CallerRules, ...]  # all of them hold: the request's, and those of whoever sent it
    cost_weight: float | None
    max_candidates: int
    request_id: str
    min_margin: float | None = None
    min_confidence: float | None = None
    defaults: tuple[str, ...] = ()  # ranked, before the pool's
    session_id: str = ""  # empty: no session
    other_bytes: int = 0  # text that is not routed and takes room in the context: the rest of a chat
    priority: Priority = Priority.INTERACTIVE
    caller: str = ""  # name of the API key; empty: no keys are in use


class Message(NamedTuple):
    """One message of a conversation: who says it, and its text (empty: it has none, only an image, say)."""

    role: str
    text: str


def routed_text(messages: Sequence[Message]) -> str:
    """The text that is routed of a conversation: the last user message that has text; empty where none has.

    JSON can write half a character (a lone surrogate), which UTF-8 cannot; it becomes a question mark.
    """
    texts = (message.text for message in reversed(messages) if message.role == "user")
    return next((text.encode(errors="replace").decode() for text in texts if text.strip()), "")


@dataclass(frozen=True, slots=True)
class Report:
    """A checked report about the endpoint at `address` that serves `model`."""

    address: str
    model: str
    outcome: CallOutcome
    latency_seconds: float | None
    rules: tuple[CallerRules, ...] = ()  # of whoever reports
    caller: str = ""  # name of the API key; empty: no keys are in use


def new_request_id() -> str:
    """For a query without one. No secret, so the kernel is not asked for randomness."""
    return f"{random.getrandbits(64):016x}"
