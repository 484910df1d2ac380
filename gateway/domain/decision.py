"""What the router decided, as plain data that does not change. Knows no protobuf.

Tuples, because one is made for each query: a frozen dataclass takes three times as long to make.
"""

import enum
from typing import NamedTuple

from gateway.config.endpoints_file import Endpoint


class Reason(enum.StrEnum):
    """Why the chosen LLM was chosen."""

    ROUTED = "routed"
    CACHED = "cached"
    FALLBACK = "fallback"
    ONLY_ONE = "only_one"
    ABSTAINED = "abstained"
    STICKY = "sticky"
    NO_ROUTER = "no_router"  # no bundle has been published yet
    UNFAMILIAR = "unfamiliar"
    NAMED = "named"  # an OpenAI request names the LLM itself


class Candidate(NamedTuple):
    """An LLM that may answer; the scores are 0 where nothing was scored."""

    llm: str
    endpoint: Endpoint
    score: float = 0.0
    adjusted_score: float = 0.0
    confidence: float | None = None


class Decision(NamedTuple):
    """The answer to one query: `candidates[0]` is the chosen LLM."""

    request_id: str
    candidates: tuple[Candidate, ...]
    reason: Reason
    reason_detail: str = ""
    margin: float | None = None
    familiarity: float | None = None
    token_count: int = 0
    truncated: bool = False
    bundle_id: str = ""
    queue_ns: int = 0
    score_ns: int = 0
    policy_ns: int = 0
    total_ns: int = 0
