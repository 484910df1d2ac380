"""From a RouteRequest to a checked query: every rule about what a caller may send.

Does not know scores, endpoints or gRPC's machinery.
"""

import math
import secrets
from collections.abc import Set
from dataclasses import dataclass

from contract.v1 import router_pb2 as pb
from gateway.errors import InvalidRequestError

MAX_REQUEST_ID_BYTES = 128


@dataclass(frozen=True, slots=True)
class RouteQuery:
    """A checked request. `allowed` None means every LLM of the pool; `cost_weight` None the configured one."""

    text: str
    allowed: frozenset[str] | None
    cost_weight: float | None
    max_candidates: int
    request_id: str


def checked(request: pb.RouteRequest, llms: Set[str], max_query_bytes: int) -> RouteQuery:
    """`request` as a RouteQuery.

    Args:
        request: what the caller sent.
        llms: names of the pool.
        max_query_bytes: limit of the routed text, in UTF-8 bytes.

    Raises:
        InvalidRequestError: a field is wrong; the error names it and says what to do.
    """
    return RouteQuery(
        text=_text(request, max_query_bytes),
        allowed=_allowed(request, llms),
        cost_weight=_cost_weight(request),
        max_candidates=max(1, request.max_candidates),
        request_id=_request_id(request),
    )


def _text(request: pb.RouteRequest, max_query_bytes: int) -> str:
    kind = request.WhichOneof("input")
    if kind is None:
        raise InvalidRequestError("query", "set either query or chat")
    text = request.query if kind == "query" else _last_user_text(request.chat)
    if not text or text.isspace():
        problem = "there is no text to route" if kind == "query" else "its last user message has no text"
        raise InvalidRequestError(kind, problem)
    # A character takes one to four bytes, so most texts need not be encoded to know.
    if len(text) * 4 > max_query_bytes and (size := len(text.encode())) > max_query_bytes:
        raise InvalidRequestError(kind, f"{size} bytes of text, the limit is {max_query_bytes}: shorten it")
    return text


def _last_user_text(chat: pb.ChatMessages) -> str:
    for message in reversed(chat.messages):
        if message.role == "user":
            return message.content or "\n".join(part.text for part in message.parts if part.type == "text")
    raise InvalidRequestError("chat.messages", "there is no message with role user")


def _allowed(request: pb.RouteRequest, llms: Set[str]) -> frozenset[str] | None:
    if not request.allowed_llms:
        return None
    allowed = frozenset(request.allowed_llms)
    if unknown := sorted(allowed - llms):
        raise InvalidRequestError(
            "allowed_llms", f"not in the pool: {', '.join(unknown)}; it has {', '.join(sorted(llms))}"
        )
    return allowed


def _cost_weight(request: pb.RouteRequest) -> float | None:
    if not request.HasField("cost_weight"):
        return None
    if not math.isfinite(request.cost_weight) or request.cost_weight < 0:
        raise InvalidRequestError("cost_weight", f"must be a finite number, 0 or more, not {request.cost_weight}")
    return request.cost_weight


def _request_id(request: pb.RouteRequest) -> str:
    if len(request.request_id.encode()) > MAX_REQUEST_ID_BYTES:
        raise InvalidRequestError("request_id", f"longer than {MAX_REQUEST_ID_BYTES} bytes")
    return request.request_id or secrets.token_hex(8)
