"""From the gateway's messages to what the page shows: JSON with LLMs by name, and the rule in one sentence."""

from typing import Any

from routerdc_contract.v1 import router_pb2 as pb

Json = dict[str, Any]


def decision(response: pb.RouteResponse) -> Json:
    """A decision with every candidate; numbers that the bundle does not give are None."""
    return {
        "llm": response.llm,
        "reason": _name(pb.Reason, response.reason, "REASON_"),
        "rule": rule(response),
        "margin": response.margin if response.HasField("margin") else None,
        "familiarity": response.familiarity if response.HasField("familiarity") else None,
        "tokens": response.token_count,
        "truncated": response.truncated,
        "scored": bool(response.bundle_id),
        "milliseconds": response.timings.total_ns / 1e6,
        "candidates": [_candidate(candidate) for candidate in response.candidates],
    }


def rule(response: pb.RouteResponse) -> str:
    """Why this LLM: one sentence that a person reads first."""
    if not response.bundle_id or response.reason in (pb.REASON_ABSTAINED, pb.REASON_STICKY):
        return f"{response.llm} answers: {response.reason_detail}."
    costs = any(candidate.adjusted_score != candidate.score for candidate in response.candidates)
    highest = "the highest score after its cost" if costs else "the highest score"
    known = " (scores from the cache)" if response.reason == pb.REASON_CACHED else ""
    ahead = f", {response.margin:.3f} ahead of the second" if response.HasField("margin") else ""
    return f"{response.llm} has {highest}{ahead}{known}."


def pool(answer: pb.ListLlmsResponse) -> Json:
    """The LLMs with their prices and the state of each endpoint."""
    llms = [
        {
            "llm": llm.name,
            "price": llm.price if llm.HasField("price") else None,
            "healthy": llm.healthy,
            "endpoints": [_endpoint(status) for status in llm.endpoint_statuses],
        }
        for llm in answer.llms
    ]
    return {"llms": llms, "bundle": answer.bundle_id, "default": answer.default_llm}


def _candidate(candidate: pb.Candidate) -> Json:
    return {
        "llm": candidate.llm,
        "score": candidate.score,
        "adjusted": candidate.adjusted_score,
        "confidence": candidate.confidence if candidate.HasField("confidence") else None,
        "endpoint": candidate.endpoint.address,
    }


def _endpoint(status: pb.EndpointStatus) -> Json:
    return {"address": status.endpoint.address, "state": _name(pb.EndpointState, status.state, "ENDPOINT_STATE_")}


def _name(enum: Any, number: int, prefix: str) -> str:
    """`REASON_ONLY_ONE` as `only one`."""
    name: str = enum.Name(number)
    return name.removeprefix(prefix).lower().replace("_", " ")
