"""From decisions to protobuf messages. The other direction is requests.py."""

from collections.abc import Sequence

from google.rpc import status_pb2

from gateway.config.endpoints_file import Endpoint
from gateway.domain.decision import Candidate, Decision, Reason
from gateway.domain.outcomes import EndpointState
from gateway.policy import defaults, eligibility
from gateway.policy.eligibility import CallerRules
from gateway.pool.pool import Pool
from routerdc_contract.v1 import router_pb2 as pb

_REASONS: dict[Reason, pb.Reason.ValueType] = {
    reason: pb.Reason.Value(f"REASON_{reason.name}") for reason in Reason if reason is not Reason.NAMED
}

_STATES = {
    EndpointState.HEALTHY: pb.ENDPOINT_STATE_HEALTHY,
    EndpointState.RETURNING: pb.ENDPOINT_STATE_RETURNING,
    EndpointState.EJECTED: pb.ENDPOINT_STATE_EJECTED,
    EndpointState.DOWN: pb.ENDPOINT_STATE_DOWN,
    EndpointState.OUT_OF_USE: pb.ENDPOINT_STATE_OUT_OF_USE,
}


def route_response(decision: Decision) -> pb.RouteResponse:
    """The answer to one query."""
    candidates = [_candidate(candidate) for candidate in decision.candidates]
    return pb.RouteResponse(
        request_id=decision.request_id,
        llm=candidates[0].llm,
        endpoint=candidates[0].endpoint,
        candidates=candidates,
        margin=decision.margin,
        familiarity=decision.familiarity,
        reason=_REASONS[decision.reason],
        reason_detail=decision.reason_detail,
        token_count=decision.token_count,
        truncated=decision.truncated,
        bundle_id=decision.bundle_id,
        timings=pb.StageTimings(
            total_ns=decision.total_ns,
            queue_ns=decision.queue_ns,
            score_ns=decision.score_ns,
            policy_ns=decision.policy_ns,
        ),
    )


def route_result(request_id: str, outcome: Decision | status_pb2.Status) -> pb.RouteResult:
    """One row of a batch, or one answer of a stream."""
    if isinstance(outcome, Decision):
        return pb.RouteResult(request_id=outcome.request_id, response=route_response(outcome))
    return pb.RouteResult(request_id=request_id, error=outcome)


def list_response(
    pool: Pool, bundle_id: str, caller: str = "", rules: Sequence[CallerRules] = ()
) -> pb.ListLlmsResponse:
    """Those LLMs that `rules` let the caller use, with the present state of every endpoint as the caller meets it."""
    usable, healthy = eligibility.usable(pool.names, pool.prices, rules), pool.healthy(caller)
    llms = [
        pb.Llm(
            name=name,
            endpoints=map(_endpoint, llm.endpoints),
            price=llm.price,
            healthy=name in healthy,
            context_tokens=llm.context_tokens,
            endpoint_statuses=[_endpoint_status(e, pool.endpoint_health.state(e, caller)) for e in llm.endpoints],
        )
        for name, llm in pool.llms.items()
        if name in usable
    ]
    default = defaults.order(usable, llms=tuple(pool.llms), defaults=pool.defaults)[:1]
    return pb.ListLlmsResponse(llms=llms, bundle_id=bundle_id, default_llm="".join(default))


def report_response(state: EndpointState) -> pb.ReportOutcomeResponse:
    """The answer to a report: what is thought of the endpoint now."""
    return pb.ReportOutcomeResponse(state=_STATES[state])


def _endpoint_status(endpoint: Endpoint, state: EndpointState) -> pb.EndpointStatus:
    return pb.EndpointStatus(endpoint=_endpoint(endpoint), state=_STATES[state], weight=endpoint.weight)


def _candidate(candidate: Candidate) -> pb.Candidate:
    return pb.Candidate(
        llm=candidate.llm,
        score=candidate.score,
        adjusted_score=candidate.adjusted_score,
        confidence=candidate.confidence,
        endpoint=_endpoint(candidate.endpoint),
    )


def _endpoint(endpoint: Endpoint) -> pb.Endpoint:
    return pb.Endpoint(address=endpoint.address, model=endpoint.model)
