"""A checked query, and a checked report about an endpoint, whichever door they came through."""

import enum
import random
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from gateway.domain.conversation import Conversation
from gateway.domain.outcomes import CallOutcome
from gateway.policy.capabilities import Needs
from gateway.policy.eligibility import CallerRules


class Priority(enum.IntEnum):
    """Which queries are scored first where not all can be: the smaller number."""

    INTERACTIVE = 0  # a single query: somebody waits for this one answer
    BATCH = 1  # a row of a RouteBatch


class RouteQuery(NamedTuple):
    """A checked request. `cost_weight`, `min_margin` and `min_confidence` None mean the configured ones."""

    text: str  # what is asked; empty: there is no text, and the default answers
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
    conversation: Conversation | None = None  # the chat that `text` is the newest ask of; None: it came alone
    needs: Needs = MappingProxyType({})  # LLMs that lack one of these take no part


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
