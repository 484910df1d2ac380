"""How calls end: those to an LLM's endpoint, and those to the shadow."""

import enum


class CallOutcome(enum.Enum):
    """How a call to an endpoint ended."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"


class EndpointState(enum.Enum):
    """Whether an endpoint is asked: always, in part of its turns, or not at all."""

    HEALTHY = "healthy"
    RETURNING = "returning"
    EJECTED = "ejected"
    DOWN = "down"
    OUT_OF_USE = "out_of_use"


class ShadowOutcome(enum.Enum):
    """What became of a query that was meant for the shadow."""

    AGREED = "agreed"
    DIFFERED = "differed"
    UNSHARED = "unshared"  # one of them chose an LLM that the other does not know: a pool that changes
    DROPPED = "dropped"  # the shadow was busy
    FAILED = "failed"  # it gave no scores, or knows none of the LLMs
