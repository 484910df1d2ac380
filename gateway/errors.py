"""Everything that can go wrong in the gateway, as one tree.

    GatewayError
    ├── InvalidRequestError        a field of the request is wrong; the caller must change it
    ├── PriceUnknownError          a cost weight was asked for, but some allowed LLM has no price
    ├── ExcludedError              the rules of caller and request leave no LLM
    ├── ContextOverflowError       the query is longer than every LLM that is left can read
    ├── OverloadedError            a limit is reached: refused immediately, before any work; retry later
    │   ├── BudgetExceededError      too much is held at once: queries in flight, bytes of request bodies
    │   ├── ConcurrencyLimitError    scoring takes longer than its target, so single queries are refused
    │   └── RateLimitedError         the caller's quota is used up
    ├── UnauthenticatedError       no API key, or an unknown one
    ├── ForbiddenError             the API key may have none of the LLMs that the request wants
    ├── NoLlmError                 every allowed LLM is out of use
    ├── ScorerError                no scores: the router answers with the default LLM and counts `cause`
    │   ├── ScorerTimeoutError       not within the deadline
    │   ├── ScorerUnavailableError   not reachable, or its model is not loaded
    │   ├── ScorerOverloadedError    the query was shed: Triton's queue is full, or ours too long for the deadline
    │   ├── ScorerFailedError        it answered with an error, or with something that is not an answer
    │   └── BundleMismatchError      its bundle does not have the LLM names of endpoints.yaml
    ├── NoRouterError              there is no bundle yet: the router answers with the default LLM, as it should
    ├── StaleKeysError             the file with the API keys cannot be looked at
    └── StartupError               the process says why and exits
        ├── SettingsError            a setting is wrong
        ├── EndpointsError           endpoints.yaml is wrong
        ├── TlsError                 certificate files are wrong
        ├── CallersError             the file with the API keys is wrong
        ├── TracingMissingError      traces are configured, but not installed
        ├── FileHangsError           a file does not answer: a dead file server, a FIFO without a writer
        ├── PortInUseError           another process listens there
        ├── WorkerError              a worker process did not come up
        └── TritonMissingError       no Triton with a readable model `routerdc` in time

Which gRPC status each of them becomes stands in status.py. Errors of grpc itself, those of the call to Triton, are
translated in triton_scorer.py and nowhere else.
"""

from collections.abc import Mapping
from typing import ClassVar


class GatewayError(Exception):
    """Base of every error that the gateway raises on purpose."""


class InvalidRequestError(GatewayError):
    """A field of the request is wrong. `field` is its path in the message, `problem` says what to do."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class PriceUnknownError(GatewayError):
    """A cost weight cannot be applied because some allowed LLM has no price in endpoints.yaml."""

    def __init__(self, llms: list[str]) -> None:
        super().__init__(
            f"cost_weight needs a price for every allowed LLM; endpoints.yaml has none for {', '.join(llms)}"
        )


class ExcludedError(GatewayError):
    """The rules of the caller and of the request leave no LLM that may answer. `reasons` has one for each LLM."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        told = "; ".join(f"{llm}: {reason}" for llm, reason in reasons.items())
        super().__init__(f"no LLM may answer this: {told}")


class ContextOverflowError(GatewayError):
    """The query has more `tokens` than any LLM that may answer reads; the one that reads most reads `limit`."""

    def __init__(self, context_tokens: Mapping[str, int], tokens: int) -> None:
        told = "; ".join(f"{llm}: reads {n} tokens, these are about {tokens}" for llm, n in context_tokens.items())
        super().__init__(f"no LLM may answer this: {told}")
        self.tokens = tokens
        self.limit = max(context_tokens.values())


class OverloadedError(GatewayError):
    """A limit is reached; the subclasses say which. Nothing was done, so the caller may try again later."""

    def __init__(self, problem: str, retry_after_seconds: float) -> None:
        super().__init__(f"{problem}; retry in {retry_after_seconds * 1000:.0f} ms")
        self.retry_after_seconds = retry_after_seconds


class BudgetExceededError(OverloadedError):
    """A budget is used up: so much of `unit` is held already that `amount` more do not fit."""

    def __init__(self, unit: str, amount: int, held: int, limit: int, retry_after_seconds: float) -> None:
        super().__init__(f"{held} {unit}, {amount} more do not fit the limit of {limit}", retry_after_seconds)


class ConcurrencyLimitError(OverloadedError):
    """The adaptive limit is reached: scores take longer than their target."""

    def __init__(self, limit: int, target_seconds: float) -> None:
        problem = f"only {limit} queries at once are scored within {target_seconds * 1000:.0f} ms at present"
        super().__init__(problem, retry_after_seconds=target_seconds)


class RateLimitedError(OverloadedError):
    """The caller asks more often than its API key allows."""

    def __init__(self, caller: str, queries_per_second: float, retry_after_seconds: float) -> None:
        super().__init__(f"{caller} may ask {queries_per_second:g} queries a second", retry_after_seconds)


class UnauthenticatedError(GatewayError):
    """The call has no API key, or one that is not known."""


class ForbiddenError(GatewayError):
    """The API key may have none of the LLMs that the request wants."""

    def __init__(self, caller: str, llms: list[str]) -> None:
        super().__init__(f"allowed_llms: {caller} may not use {', '.join(llms)}")


class NoLlmError(GatewayError):
    """Every LLM that may answer has all its endpoints out of use."""


class ScorerError(GatewayError):
    """The scorer gave no scores.

    `cause` is the label under which fallbacks are counted, `told` is for callers; the message is for the log.
    """

    cause: ClassVar[str]
    told: ClassVar[str]


class ScorerTimeoutError(ScorerError):
    """No scores within the deadline."""

    cause = "timeout"
    told = "the scorer did not answer within the deadline"


class ScorerUnavailableError(ScorerError):
    """The scorer cannot be reached, or its model is not loaded."""

    cause = "unavailable"
    told = "the scorer cannot be reached"


class ScorerOverloadedError(ScorerError):
    """The scorer refused because its queue is full, or would answer too late."""

    cause = "overloaded"
    told = "the scorer is overloaded"


class ScorerFailedError(ScorerError):
    """The scorer answered with an error, or with something that is not an answer."""

    cause = "failed"
    told = "the scorer failed"


class NoRouterError(GatewayError):
    """There is no router yet; the configured defaults answer, and that is no fallback."""

    told: ClassVar[str] = "there is no router yet: the configured default answers"


class BundleMismatchError(ScorerError):
    """The scorer's bundle does not have exactly the LLM names of endpoints.yaml."""

    cause = "bundle_mismatch"
    told = "the scorer serves a bundle with other LLMs"


class StaleKeysError(GatewayError):
    """The API keys may be out of date, for their file cannot be looked at; the gateway is not ready."""


class StartupError(GatewayError):
    """The gateway cannot start; the message says why and what to do."""


class SettingsError(StartupError):
    """A setting is wrong; the message names it."""


class EndpointsError(StartupError):
    """endpoints.yaml is wrong; the message names file and field."""


class TlsError(StartupError):
    """A certificate, its key or an authority's certificate cannot be used; the message names the file."""


class CallersError(StartupError):
    """The file with the API keys is wrong; the message names the field, never a key."""


class TracingMissingError(StartupError):
    """Traces are configured, but the packages for them are not installed."""


class FileHangsError(StartupError):
    """Reading a file does not end."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what}: reading the file has taken {seconds:g} s; is its server there, or is it a FIFO?")


class PortInUseError(StartupError):
    """Another process listens on a port that the gateway is configured to use."""


class WorkerError(StartupError):
    """A worker process did not come up; the message is its own, where it left one."""


class TritonMissingError(StartupError):
    """There was no Triton with a model that we can read within the time allowed for starting."""
