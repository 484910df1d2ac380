"""What the gateway itself answers over HTTP: errors in the form of the API that was called, and lists of models.

Knows neither Envoy nor routing.
"""

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from gateway.policy.capabilities import ApiProtocol

# https://docs.anthropic.com/en/api/errors; 4xx that are not named are invalid_request_error, 5xx are api_error.
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


class OpenAiError(Exception):
    """A request that is answered with an error. `param` is the path of the field that is wrong, if one is."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_seconds: float | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        self.allow = allow

    def __reduce__(self) -> tuple[Callable[[], "OpenAiError"], tuple[()]]:
        """Errors cross the border of a process (see reader.py), keyword arguments included."""
        told = {name: getattr(self, name) for name in ("param", "code", "retry_after_seconds", "allow")}
        return partial(OpenAiError, self.status, self.message, **told), ()

    def body(self, protocol: ApiProtocol = ApiProtocol.OPENAI) -> bytes:
        """The answer's body."""
        if protocol is ApiProtocol.ANTHROPIC:
            default = "invalid_request_error" if self.status < 500 else "api_error"
            kind = _ANTHROPIC_TYPES.get(self.status, default)
            return _json({"type": "error", "error": {"type": kind, "message": self.message}})
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return _json({"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}})


def invalid(param: str | None, problem: str) -> OpenAiError:
    """400: the field `param` (None: the body as a whole) is wrong."""
    return OpenAiError(400, f"{param or 'body'}: {problem}", param=param)


def too_large(limit_bytes: int) -> OpenAiError:
    """413: the body is longer than the gateway reads."""
    return OpenAiError(413, f"body: larger than the limit of {limit_bytes} bytes", code="request_too_large")


def context_too_long(param: str, tokens: int, limit: int) -> OpenAiError:
    """400: no LLM that may answer reads so much.

    The code is OpenAI's, "prompt is too long" is Anthropic's wording: on either one clients shorten the chat.
    """
    message = (
        f"{param}: prompt is too long: about {tokens} tokens > {limit} maximum: "
        "the maximum context length of every LLM that may answer is exceeded; shorten it"
    )
    return OpenAiError(400, message, param=param, code="context_length_exceeded")


def not_capable(param: str, capability: str, models: Iterable[str]) -> OpenAiError:
    """400: the field `param` needs a capability that none of `models` has."""
    message = f"{param}: needs '{capability}', which is not among the capabilities of {', '.join(models)}"
    return OpenAiError(400, message, param=param, code="capability_not_supported")


def wrong_protocol(protocol: str, models: Iterable[str]) -> OpenAiError:
    """404: the API is known, but no LLM that is asked for speaks it."""
    message = f"model: {', '.join(models)}: served by no endpoint that speaks the {protocol} protocol"
    return OpenAiError(404, message, param="model", code="protocol_not_supported")


def method_not_allowed(method: str, path: str, allow: str) -> OpenAiError:
    """405: the path exists, for other methods."""
    return OpenAiError(405, f"{method} {path}: this path is for {allow}", code="method_not_allowed", allow=allow)


def model_not_found(model: str, models: Iterable[str]) -> OpenAiError:
    """404: neither a virtual model nor an LLM."""
    message = f"model: {model[:100]!r} does not exist; there are: {', '.join(models)}"
    return OpenAiError(404, message, param="model", code="model_not_found")


def model_list(virtual_models: Iterable[str], llms: Iterable[str], protocol: ApiProtocol = ApiProtocol.OPENAI) -> bytes:
    """Body of GET /v1/models: virtual models first."""
    virtual, real = list(virtual_models), list(llms)
    if protocol is ApiProtocol.ANTHROPIC:
        data = [_anthropic_model(name) for name in (*virtual, *real)]
        ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
        return _json({"data": data, "has_more": False, **ends})
    data = [_model(name, "routerdc") for name in virtual] + [_model(name, "pool") for name in real]
    return _json({"object": "list", "data": data})


def model(name: str, *, virtual: bool, protocol: ApiProtocol = ApiProtocol.OPENAI) -> bytes:
    """Body of GET /v1/models/{name}."""
    if protocol is ApiProtocol.ANTHROPIC:
        return _json(_anthropic_model(name))
    return _json(_model(name, "routerdc" if virtual else "pool"))


def _model(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def _anthropic_model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
