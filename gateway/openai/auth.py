"""The caller of an OpenAI request: the API key and the session in its headers. Envoy only passes them on.

Knows keys and what they allow, neither bodies nor LLMs' endpoints.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import RateLimitedError, UnauthenticatedError
from gateway.limits.caller import ANONYMOUS, Caller, Callers
from gateway.openai.bodies.answers import OpenAiError

SESSION_HEADERS = (
    "x-routerdc-session",
    "x-session-id",
    "x-claude-code-session-id",
    "x-opencode-session",
    "x-session-affinity",
    "x-task-id",
    "session-id",
    "session_id",
    "conversation_id",
)
"""Headers that name the conversation, the first that is there counts: ours, the common one, those of coding agents."""
_MAX_SESSION_CHARS = 1024


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose request it is, and of which session (empty: none)."""

    caller: Caller = ANONYMOUS
    session_id: str = ""


NOBODY = Sender()
"""Where nothing is known."""


class Senders:
    """Everybody who may send."""

    def __init__(self, callers: Callers | None = None) -> None:
        """`callers`: whose API keys are known; None: anybody may send."""
        self._callers = callers

    @property
    def need_keys(self) -> bool:
        """Nobody is served without an API key."""
        return self._callers is not None

    def identify(self, headers: Mapping[str, str]) -> Sender:
        """The caller that sent a request with `headers` (names in lower case).

        Raises:
            OpenAiError: 401: there is no API key, or it is none of ours.
        """
        session_id = next((headers[name] for name in SESSION_HEADERS if headers.get(name)), "")[:_MAX_SESSION_CHARS]
        if self._callers is None:
            return Sender(session_id=session_id)
        try:
            return Sender(self._callers.identify(_authorization(headers)), session_id)
        except UnauthenticatedError as error:
            raise OpenAiError(401, str(error), code="invalid_api_key") from None

    def admit(self, sender: Sender) -> None:
        """Counts a request against its sender's limit.

        Raises:
            OpenAiError: 429: it is one too many for now.
        """
        try:
            sender.caller.charge(1)
        except RateLimitedError as error:
            seconds = error.retry_after_seconds
            raise OpenAiError(429, str(error), code="rate_limit_exceeded", retry_after_seconds=seconds) from None


def _authorization(headers: Mapping[str, str]) -> str | None:
    """Anthropic's clients send the key in a header of its own."""
    key = headers.get("x-api-key")
    return headers.get("authorization") or (None if key is None else f"Bearer {key}")
