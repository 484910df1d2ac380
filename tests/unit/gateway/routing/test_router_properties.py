"""Whatever callers ask and endpoints do: nobody excluded ever answers, and nobody unhealthy while another is well."""

import asyncio
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.groups import EndpointRules
from gateway.domain.decision import Decision
from gateway.domain.outcomes import CallOutcome
from gateway.domain.query import RouteQuery
from gateway.errors import ExcludedError, ScorerUnavailableError
from gateway.limits.query_budget import QueryBudget
from gateway.policy.choice import Thresholds
from gateway.policy.eligibility import CallerRules, permitted
from gateway.pool.endpoint_health import EndpointHealth
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from gateway.routing.sessions import Sessions
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.unit.gateway.conftest import endpoints_file

LLMS = sorted(BUNDLE.llms)
llms = st.frozensets(st.sampled_from(LLMS))
rules = st.builds(CallerRules, st.none() | llms, llms, st.none() | st.sampled_from([0.0, 1.0, 2.0, 10.0]))
thresholds = st.builds(Thresholds, *[st.sampled_from([0.0, 0.1, 1.0])] * 3)
scores = st.tuples(*[st.floats(-1, 1)] * 3)


def decide(query: RouteQuery, pool: Pool, values: Any, limits: Thresholds, session_llm: str, down: bool) -> Decision:
    faults: dict[str, BaseException] = {"q": ScorerUnavailableError("down")} if down else {}
    pool.thresholds = limits
    sessions = Sessions()
    sessions.remember("\0s", session_llm)
    scorer = FakeScorer(values={"q": values}, faults=faults)
    router = Router(PoolRef(pool), scorer, QueryBudget(9, 1), sessions=sessions)
    return asyncio.run(router.route(query, time.monotonic() + 5))


@given(st.lists(rules, max_size=2), llms, scores, thresholds, st.sampled_from(LLMS), st.booleans())
def test_an_excluded_llm_is_never_given_out_and_an_unhealthy_one_only_where_nobody_is_well(
    given: list[CallerRules], ejected: frozenset[str], values: Any, limits: Thresholds, session_llm: str, down: bool
) -> None:
    pool = Pool(endpoints_file(), EndpointHealth(EndpointRules(max_endpoint_failures=1, ejection_seconds=1000)))
    for llm in ejected:
        pool.endpoint_health.report(pool.llms[llm].endpoints[0], CallOutcome.ERROR)
    query = RouteQuery("q", tuple(given), 0.01, 9, "id", session_id="s")
    try:
        allowed = permitted(pool.names, pool.prices, given)
    except ExcludedError:
        return
    decision = decide(query, pool, values, limits, session_llm, down)
    assert {candidate.llm for candidate in decision.candidates} == (allowed - ejected or allowed)
    if not down:
        adjusted = [candidate.adjusted_score for candidate in decision.candidates[1:]]
        assert adjusted == sorted(adjusted, reverse=True)
