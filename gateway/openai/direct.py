"""Requests that the gateway answers itself: lists of models, and what a path of ours is not for."""

from collections.abc import Mapping
from urllib.parse import unquote

from envoy.service.ext_proc.v3 import external_processor_pb2 as pb

from gateway.openai import mutations
from gateway.openai.apis import APIS
from gateway.openai.bodies.answers import method_not_allowed
from gateway.openai.routing import Routing
from gateway.policy.capabilities import ApiProtocol

MODELS = "/v1/models"
_MODELS_METHODS = "GET, HEAD, OPTIONS"
_API_METHODS = "POST, OPTIONS"


def path_of(headers: Mapping[str, str]) -> str:
    """The path without its query."""
    return headers.get(":path", "").partition("?")[0]


def protocol_of(headers: Mapping[str, str]) -> ApiProtocol:
    """Whose form the answer has: that of the API called, else that of the client library."""
    if (api := APIS.get(path_of(headers))) is not None:
        return api.protocol
    return ApiProtocol.ANTHROPIC if "anthropic-version" in headers else ApiProtocol.OPENAI


def answered_here(routing: Routing, headers: Mapping[str, str]) -> pb.ImmediateResponse | None:
    """The answer, where there is one without an LLM.

    Raises:
        OpenAiError: 401, 404, 405.
    """
    method, path = headers.get(":method", ""), path_of(headers)
    is_models = path == MODELS or path.startswith(MODELS + "/")
    if not is_models and path not in APIS:
        return None
    allow = _MODELS_METHODS if is_models else _API_METHODS
    if method == "OPTIONS":
        return mutations.immediate(204, b"", {"allow": allow})
    if is_models and method in ("GET", "HEAD"):
        routing.senders.identify(headers)
        return mutations.immediate(200, _models(routing, path, protocol_of(headers)))
    if is_models or method != "POST":
        raise method_not_allowed(method, path, allow)
    return None


def _models(routing: Routing, path: str, protocol: ApiProtocol) -> bytes:
    if path == MODELS:
        return routing.models(protocol)
    return routing.model(unquote(path[len(MODELS) + 1 :]), protocol)
