"""From decisions to protobuf messages. The other direction is requests.py."""

from collections.abc import Sequence

from google.rpc import status_pb2

from gateway.config.endpoints_file import Endpoint
from gateway.domain.decision import Decision, Reason
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
    """The answer to one query. Messages in it are filled in place: one made elsewhere is copied, which takes longer."""
    chosen = decision.candidates[0]
    response = pb.RouteResponse(
        request_id=decision.request_id,
        llm=chosen.llm,
        margin=decision.margin,
        familiarity=decision.familiarity,
        reason=_REASONS[decision.reason],
        reason_detail=decision.reason_detail,
        token_count=decision.token_count,
        truncated=decision.truncated,
        bundle_id=decision.bundle_id,
    )
    _fill(response.endpoint, chosen.endpoint)
    timings = response.timings
    timings.total_ns = decision.total_ns
    timings.queue_ns = decision.queue_ns
    timings.score_ns = decision.score_ns
    timings.policy_ns = decision.policy_ns
    add = response.candidates.add
    for llm, endpoint, score, adjusted_score, confidence in decision.candidates:
        candidate = add(llm=llm, score=score, adjusted_score=adjusted_score, confidence=confidence)
        _fill(candidate.endpoint, endpoint)
    return response


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
            endpoints=[pb.Endpoint(address=e.address, model=e.model) for e in llm.endpoints],
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
    status = pb.EndpointStatus(state=_STATES[state], weight=endpoint.weight)
    _fill(status.endpoint, endpoint)
    return status


def _fill(message: pb.Endpoint, endpoint: Endpoint) -> None:
    message.address = endpoint.address
    message.model = endpoint.model
