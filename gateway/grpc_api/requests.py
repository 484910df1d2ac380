"""From a RouteRequest to a checked query: every rule about what a caller may send.

Does not know scores, endpoints or gRPC's machinery.
"""

import math
from collections.abc import Collection, Set
from typing import Literal

from gateway.domain.conversation import Conversation, Message, conversation
from gateway.domain.outcomes import CallOutcome
from gateway.domain.query import Priority, Report, RouteQuery, new_request_id
from gateway.errors import InvalidRequestError
from gateway.policy import capabilities
from gateway.policy.capabilities import Capability
from gateway.policy.eligibility import CallerRules
from routerdc_contract.v1 import router_pb2 as pb

MAX_REQUEST_ID_BYTES = 128
MAX_SESSION_ID_BYTES = 1024
MAX_ENDPOINT_CHARS = 2048

_Number = Literal["cost_weight", "max_price", "min_margin", "min_confidence"]

_NONE = frozenset[str]()

_OUTCOMES: dict[int, CallOutcome] = {
    pb.OUTCOME_OK: CallOutcome.OK,
    pb.OUTCOME_ERROR: CallOutcome.ERROR,
    pb.OUTCOME_TIMEOUT: CallOutcome.TIMEOUT,
    pb.OUTCOME_RATE_LIMITED: CallOutcome.RATE_LIMITED,
}


def checked(
    request: pb.RouteRequest, llms: Set[str], max_query_bytes: int, priority: Priority = Priority.INTERACTIVE
) -> RouteQuery:
    """`request` as a RouteQuery.

    Args:
        request: what the caller sent.
        llms: names of the pool.
        max_query_bytes: limit of the routed text, in UTF-8 bytes.
        priority: of the query, which its RPC knows.

    Raises:
        InvalidRequestError: a field is wrong; the error names it and says what to do.
    """
    chat = _chat(request, max_query_bytes)
    return RouteQuery(
        text=_query(request, max_query_bytes) if chat is None else chat.text,
        rules=_rules(request, llms),
        cost_weight=_number(request, "cost_weight"),
        max_candidates=max(1, request.max_candidates),
        request_id=_request_id(request),
        min_margin=_number(request, "min_margin"),
        min_confidence=_number(request, "min_confidence"),
        session_id=_session_id(request),
        other_bytes=0 if chat is None else chat.other_bytes,
        priority=priority,
        conversation=chat,
        needs=_needs(request.chat) if chat is not None else {},
    )


def checked_report(request: pb.ReportOutcomeRequest) -> Report:
    """`request` as a Report; whether there is such an endpoint is not checked.

    Raises:
        InvalidRequestError: a field is wrong.
    """
    if (outcome := _OUTCOMES.get(request.outcome)) is None:
        raise InvalidRequestError("outcome", "say how the call ended: OUTCOME_OK, OUTCOME_ERROR, …")
    for field in ("address", "model"):
        if len(getattr(request.endpoint, field)) > MAX_ENDPOINT_CHARS:
            raise InvalidRequestError(f"endpoint.{field}", f"longer than {MAX_ENDPOINT_CHARS} characters")
    latency_ms = request.latency_ms
    if not math.isfinite(latency_ms) or latency_ms < 0:
        raise InvalidRequestError("latency_ms", f"must be a finite number, 0 or more, not {latency_ms}")
    latency_seconds = latency_ms / 1000 if request.HasField("latency_ms") else None
    return Report(request.endpoint.address, request.endpoint.model, outcome, latency_seconds)


def _chat(request: pb.RouteRequest, max_query_bytes: int) -> Conversation | None:
    kind = request.WhichOneof("input")
    if kind is None:
        raise InvalidRequestError("query", "set either query or chat")
    if kind == "query":
        return None
    if not request.chat.messages:
        raise InvalidRequestError("chat.messages", "there is no message")
    return conversation([_message(message) for message in request.chat.messages]).within(max_query_bytes)


def _message(message: pb.ChatMessage) -> Message:
    """`message` with the text of its parts; images and whatever else they hold say nothing of the subject."""
    text = message.content or "\n".join(part.text for part in message.parts if part.type == "text")
    return Message(message.role, text)


def _needs(chat: pb.ChatMessages) -> dict[Capability, str]:
    """What an LLM must be able to do to read `chat`."""
    needs: dict[Capability, str] = {}
    for i, message in enumerate(chat.messages):
        if message.role in capabilities.TOOL_ROLES:
            needs.setdefault(Capability.TOOLS, f"chat.messages[{i}]")
        for j, part in enumerate(message.parts):
            if (capability := capabilities.of_part(part.type)) is not None:
                needs.setdefault(capability, f"chat.messages[{i}].parts[{j}]")
    return needs


def _query(request: pb.RouteRequest, max_query_bytes: int) -> str:
    text = request.query
    if not text or text.isspace():
        raise InvalidRequestError("query", "there is no text to route")
    return within_limit(text, "query", max_query_bytes)


def within_limit(text: str, field: str, max_bytes: int) -> str:
    """`text`, the content of `field`, if it is no longer than `max_bytes` in UTF-8.

    Raises:
        InvalidRequestError: it is.
    """
    # A character takes one to four bytes, so most texts need not be encoded to know.
    if len(text) * 4 > max_bytes and (size := len(text.encode())) > max_bytes:
        raise InvalidRequestError(field, f"{size} bytes of text, the limit is {max_bytes}: shorten it")
    return text


def _rules(request: pb.RouteRequest, llms: Set[str]) -> tuple[CallerRules, ...]:
    allowed = _names("allowed_llms", request.allowed_llms, llms)
    denied = _names("denied_llms", request.denied_llms, llms)
    max_price = _number(request, "max_price")
    if not allowed and not denied and max_price is None:
        return ()
    return (CallerRules(allowed or None, denied, max_price),)


def _names(field: str, names: Collection[str], llms: Set[str]) -> frozenset[str]:
    if not names:
        return _NONE
    known = frozenset(names)
    if not known <= llms:
        unknown = ", ".join(sorted(known - llms))
        raise InvalidRequestError(field, f"not in the pool: {unknown}; it has {', '.join(sorted(llms))}")
    return known


def _number(request: pb.RouteRequest, field: _Number) -> float | None:
    if not request.HasField(field):
        return None
    value: float = getattr(request, field)
    if not math.isfinite(value) or value < 0:
        raise InvalidRequestError(field, f"must be a finite number, 0 or more, not {value}")
    return value


def _request_id(request: pb.RouteRequest) -> str:
    request_id = request.request_id
    if not request_id:
        return new_request_id()
    if len(request_id.encode()) > MAX_REQUEST_ID_BYTES:
        raise InvalidRequestError("request_id", f"longer than {MAX_REQUEST_ID_BYTES} bytes")
    return request_id


def _session_id(request: pb.RouteRequest) -> str:
    session_id = request.session_id
    if session_id and len(session_id.encode()) > MAX_SESSION_ID_BYTES:
        raise InvalidRequestError("session_id", f"longer than {MAX_SESSION_ID_BYTES} bytes")
    return session_id
