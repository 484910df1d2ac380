"""What the gateway itself answers to OpenAI clients: errors in OpenAI's form, and the list of models.

Knows neither Envoy nor routing.
"""

import json
from collections.abc import Iterable
from typing import Any


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
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_seconds = retry_after_seconds

    def body(self) -> bytes:
        """The answer's body."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return _json({"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}})


def invalid(param: str | None, problem: str) -> OpenAiError:
    """400: the field `param` (None: the body as a whole) is wrong."""
    return OpenAiError(400, f"{param or 'body'}: {problem}", param=param)


def too_large(limit_bytes: int) -> OpenAiError:
    """413: the body is longer than the gateway reads."""
    return OpenAiError(413, f"body: larger than the limit of {limit_bytes} bytes", code="request_too_large")


def model_not_found(model: str, models: Iterable[str]) -> OpenAiError:
    """404: neither a virtual model nor an LLM."""
    message = f"model: {model!r} does not exist; there are: {', '.join(models)}"
    return OpenAiError(404, message, param="model", code="model_not_found")


def model_list(virtual_models: Iterable[str], llms: Iterable[str]) -> bytes:
    """Body of GET /v1/models: virtual models first."""
    data = [_model(name, "routerdc") for name in virtual_models] + [_model(name, "pool") for name in llms]
    return _json({"object": "list", "data": data})


def model(name: str, *, virtual: bool) -> bytes:
    """Body of GET /v1/models/{name}."""
    return _json(_model(name, "routerdc" if virtual else "pool"))


def _model(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
