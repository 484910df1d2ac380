"""The gateway with scores that are there at once, so that what is left is its own cost: for `make bench`.

    python -m loadtest.stubs.instant_scorer [--behind-cache]

Everything a call passes through is the gateway's own: server, servicer, validation, admission, policy, metrics; with
`--behind-cache` also cache and coalescer. There is no Triton, and nothing is watched or read again. Prints its address
once it serves and ends with SIGTERM.
"""

from collections.abc import Sequence

import click
import uvloop
from grpc import aio

from gateway.app.listening.ports import bind, public_options
from gateway.app.query_path import build_scorer
from gateway.config.endpoints_file import EndpointsFile
from gateway.config.settings import Settings
from gateway.domain.query import Priority
from gateway.domain.scorer import Bundle, Scored, Scorer, Scores
from gateway.grpc_api.intake import registration
from gateway.grpc_api.servicer import RouterServicer
from gateway.limits.query_budget import QueryBudget
from gateway.pool.endpoint_health import EndpointHealth
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from gateway.telemetry import logs
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observers import LogObserver, MetricsObserver
from routerdc_contract.v1 import router_pb2

LLMS = tuple(f"llm-{letter}" for letter in "abcdefg")


class InstantScorer:
    """A `Scorer` and a `BatchScorer`: the same scores for every query."""

    cancellable = True
    bundle = Bundle("0123456789abcdef", LLMS, tuple((1.0, 0.0) for _ in LLMS))
    _scores = Scores(bundle, tuple(1 - i / 10 for i in range(len(LLMS))), 12, False)

    async def score(self, query: str, deadline: float, priority: Priority = Priority.INTERACTIVE) -> Scored:
        """See `Scorer.score`."""
        return Scored(self._scores)

    async def score_batch(self, queries: Sequence[str]) -> list[Scores]:
        """See `BatchScorer.score_batch`."""
        return [self._scores] * len(queries)


def router(settings: Settings, metrics: Metrics, *, behind_cache: bool) -> Router:
    """The use case over an `InstantScorer`, with cache and coalescer between if `behind_cache`."""
    endpoint = {"address": "http://127.0.0.1:9/v1", "model": "m"}  # never called
    file = EndpointsFile.model_validate(
        {"default": LLMS[:1], "llms": {name: {"price": 0.1, "endpoints": [endpoint]} for name in LLMS}}
    )
    pool = PoolRef(Pool(file, EndpointHealth(settings.endpoints)))
    scorer = _behind_cache(settings, metrics) if behind_cache else InstantScorer()
    budget = QueryBudget(settings.limits.max_in_flight, settings.deadlines.single_seconds)
    return Router(pool, scorer, budget, [MetricsObserver(metrics), LogObserver()])


def _behind_cache(settings: Settings, metrics: Metrics) -> Scorer:
    batch = settings.scoring.max_triton_batch
    return build_scorer(settings, InstantScorer(), metrics, max_batch=lambda: batch, scorers=lambda: 1)


async def serve(*, behind_cache: bool) -> None:
    """Until the process ends."""
    settings, metrics = Settings().changed(port=0, deadline_ms=20_000), Metrics()  # a slow answer is one, not a default
    use_case = router(settings, metrics, behind_cache=behind_cache)
    server = aio.server(options=public_options(settings))
    servicer = RouterServicer(use_case, metrics, settings.limits, settings.deadlines)
    registration.add(router_pb2.DESCRIPTOR.services_by_name["Router"], servicer, server)
    port = bind(server, settings.listen.host, settings.listen.port, None, "port")
    await server.start()
    click.echo(f"ready: gRPC {settings.listen.host}:{port}")
    await server.wait_for_termination()


@click.command()
@click.option("--behind-cache", is_flag=True, help="With cache and coalescer before the scorer.")
def main(behind_cache: bool) -> None:
    """Serve decisions by scores that nobody computes."""
    logs.configure("warning")
    uvloop.run(serve(behind_cache=behind_cache))


if __name__ == "__main__":
    main()
