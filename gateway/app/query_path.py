"""The way of a query, top to bottom: the one place where its stations are put together.

     1. door           gateway/openai, grpc_api or http_api: reads the request and checks every field
     2. quota          Caller.charge: how often this API key may ask                             → refused
     3. query          domain/conversation.py: what is routed of a chat; or the text as it came
     4. budget         QueryBudget: queries in flight, a fair share for each caller              → refused
     5. eligibility    policy/eligibility.py: which LLMs may answer                              → refused
     6. conversation   routing/history.py: the texts to score, the long ones at both ends
     7. shadow         ShadowedScorer: a copy for another bundle; nobody waits for it
     8. no router      UnroutedScorer: where no bundle has been found yet                        → 15
     9. cache          CacheLookup: scores of the same text from before                          → 14
    10. adaptive limit LimitedScorer: refuses while scores take longer than their target         → refused
    11. coalescer      Coalescer: queues by priority and deadline, sheds what would be late      → 15
    12. bisection      BisectingScorer: a query that the model refuses does not fail its batch
    13. Triton         TritonBalancer → TritonScorer: the least busy of those that are well      → 15
    14. policy         routing/case.py, decide: cost, the conversation's LLM, abstention         → decision
    15. no scores      routing/case.py, undecided: the session's LLM, or the default             → decision

`Router` runs 4 to 15 for each query; `build_router` below makes what it runs. Doors are made in `server.py`.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from gateway.config.settings import Settings
from gateway.domain.observer import Observer
from gateway.domain.scorer import BatchScorer, Scorer
from gateway.limits.adaptive_limit import AdaptiveLimit
from gateway.limits.query_budget import QueryBudget
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from gateway.routing.sessions import Sessions
from gateway.scoring.bisecting import BisectingScorer
from gateway.scoring.cache import CacheLookup, ScoreCache
from gateway.scoring.coalescer import Coalescer
from gateway.scoring.limited import LimitedScorer
from gateway.scoring.shadow import ShadowedScorer
from gateway.scoring.triton.balancer import TritonBalancer
from gateway.scoring.triton.scorer import TritonScorer
from gateway.scoring.unrouted import UnroutedScorer
from gateway.telemetry.decision_log import DecisionLog
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observers import LogObserver, MetricsObserver

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Tracing


def build_router(
    settings: Settings,
    pool: PoolRef,
    triton: TritonBalancer,
    metrics: Metrics,
    stack: AsyncExitStack,
    tracing: "Tracing | None",
) -> Router:
    """Stations 4 to 15 of the way of a query; `stack` closes what has to be closed."""
    scorer = build_scorer(
        settings,
        triton,
        metrics,
        max_batch=lambda: min(settings.scoring.max_triton_batch, triton.max_batch),
        scorers=lambda: max(1, len(triton)),
    )
    if settings.scoring.start_without_router:
        scorer = UnroutedScorer(scorer, lambda: triton.has_served)
    # A refused caller finds room after one deadline at the latest: by then everything that is in flight now has left.
    budget = QueryBudget(settings.limits.max_in_flight, settings.deadlines.single_seconds)
    metrics.watch(in_flight=lambda: budget.held)
    metrics.endpoints.watch(lambda: pool.current.states())
    return Router(
        pool,
        _shadowed(settings, scorer, metrics, stack),
        budget,
        _observers(settings, metrics, stack, tracing),
        sessions=Sessions(settings.sessions),
    )


def build_scorer(
    settings: Settings,
    scorer: BatchScorer,
    metrics: Metrics,
    *,
    max_batch: Callable[[], int],
    scorers: Callable[[], int],
) -> Scorer:
    """Stations 9 to 12, in front of `scorer`, which gets batches; see `Coalescer` for the rest."""
    cache = ScoreCache(settings.cache)
    metrics.watch_cache(lambda: len(cache))
    coalescer: Scorer = Coalescer(
        BisectingScorer(scorer),
        max_batch=max_batch,
        scorers=scorers,
        window=settings.scoring.triton_window,
        row_seconds=settings.deadlines.single_seconds / 4,
        observe=metrics.batch,
        keep=cache.put if settings.cache.cache_entries else None,
    )
    limited = coalescer
    if settings.scoring.score_target_ms is not None:
        target_seconds = settings.scoring.score_target_ms / 1000
        limited = LimitedScorer(
            coalescer, AdaptiveLimit(target_seconds=target_seconds, max_limit=settings.limits.max_in_flight)
        )
    if not settings.cache.cache_entries:
        return limited
    return CacheLookup(cache, limited, metrics.cache_hits, metrics.cache_misses)


def _shadowed(settings: Settings, scorer: Scorer, metrics: Metrics, stack: AsyncExitStack) -> Scorer:
    if settings.shadow.shadow_triton_address is None:
        return scorer
    triton = TritonScorer(settings.shadow.shadow_triton_address, timeout_seconds=settings.deadlines.batch_seconds)
    shadowed = ShadowedScorer(scorer, triton, settings.shadow, metrics.shadow)
    stack.push_async_exit(triton)
    stack.push_async_exit(shadowed)
    return shadowed


def _observers(
    settings: Settings, metrics: Metrics, stack: AsyncExitStack, tracing: "Tracing | None"
) -> list[Observer]:
    observers: list[Observer] = [MetricsObserver(metrics), LogObserver()]
    if (path := settings.decision_log.decision_log_file) is not None:
        decision_log = DecisionLog(path, metrics, with_queries=settings.decision_log.decision_log_queries)
        observers.append(stack.enter_context(decision_log))
    if tracing is not None:
        observers.append(tracing)
    return observers
