"""What the sync and the async client share: the channel's settings, the credentials and the requests.

Calls that the gateway refused before it did anything (RESOURCE_EXHAUSTED), or that did not reach a gateway
(UNAVAILABLE), are retried by gRPC within the deadline: with growing pauses, or after the time the gateway asked for.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from routerdc_client.messages import chat, text
from routerdc_contract.v1 import router_pb2 as pb

DEFAULT_DEADLINE_MS = 1000.0

_RETRIES = {
    "maxAttempts": 4,
    "initialBackoff": "0.02s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    # A stopping server answers CANCELLED to calls that it had not looked at yet
    # (https://github.com/grpc/grpc/issues/41785). A call that its caller cancels is not retried.
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
}
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],  # over every gateway behind the name
    "methodConfig": [{"name": [{"service": "routerdc.v1.Router"}], "retryPolicy": _RETRIES}],
}
CHANNEL_OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A gateway is beside its callers, often on loopback; a proxy for the web does not know the way to it.
    ("grpc.enable_http_proxy", 0),
]


class RouteOptions(TypedDict, total=False):
    """The optional fields of a request; router.proto documents each. Fields that are not set use the gateway's."""

    messages: Sequence[Mapping[str, object]] | None
    allowed_llms: Iterable[str]
    denied_llms: Iterable[str]
    cost_weight: float | None
    max_price: float | None
    min_margin: float | None
    min_confidence: float | None
    max_candidates: int
    request_id: str
    session_id: str


def route_request(
    query: str | None = None,
    *,
    messages: Sequence[Mapping[str, object]] | None = None,
    allowed_llms: Iterable[str] = (),
    denied_llms: Iterable[str] = (),
    cost_weight: float | None = None,
    max_price: float | None = None,
    min_margin: float | None = None,
    min_confidence: float | None = None,
    max_candidates: int = 0,
    request_id: str = "",
    session_id: str = "",
) -> pb.RouteRequest:
    """Builds one request, from a query or from the messages of a chat in OpenAI's form.

    Raises:
        TypeError: a field has a value of another type; the message names the field.
        ValueError: both `query` and `messages` are given, or a text is not valid Unicode.
    """
    if query is not None and messages is not None:
        raise ValueError("query and messages: give one of them, not both")
    request = pb.RouteRequest(
        chat=None if messages is None else chat(messages),
        allowed_llms=_names("allowed_llms", allowed_llms),
        denied_llms=_names("denied_llms", denied_llms),
        cost_weight=cost_weight,
        max_price=max_price,
        min_margin=min_margin,
        min_confidence=min_confidence,
        max_candidates=max_candidates,
        request_id=text("request_id", request_id),
        session_id=text("session_id", session_id),
    )
    if query is not None:
        request.query = text("query", query)
    return request


def metadata(api_key: str | None) -> tuple[tuple[str, str], ...]:
    """The headers of every call.

    Raises:
        ValueError: an API key that cannot travel in a header. The message does not repeat it.
    """
    if api_key is None:
        return ()
    if not api_key or api_key != api_key.strip() or not (api_key.isascii() and api_key.isprintable()):
        raise ValueError("api_key: must be printable ASCII without spaces around it")
    return (("authorization", f"Bearer {api_key}"),)


def _names(field: str, names: Iterable[str]) -> list[str]:
    if isinstance(names, str):
        raise TypeError(f"{field}: must be several names, such as [{names!r}], not one string")
    return [text(f"{field}[{index}]", name) for index, name in enumerate(names)]
