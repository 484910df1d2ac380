"""gRPC health that follows what can really be served: Triton's model is ready and its bundle has the pool's LLMs.

`""` and `routerdc.v1.Router` follow that; `live` only says that the process runs, so that an orchestrator does not
restart gateways because Triton is down (they still answer, with fallbacks). Polling also is how a new bundle is noticed
when every answer comes from the cache.
"""

import asyncio
from collections.abc import Awaitable, Callable
from logging import INFO, WARNING

import structlog
from grpc_health.v1 import health_pb2

from gateway.domain.scorer import Bundle
from gateway.errors import GatewayError
from gateway.grpc_api.health import HealthService
from gateway.telemetry.metrics import Metrics
from routerdc_contract.services import LIVE, ROUTER

FOLLOWING = ("", ROUTER)

log = structlog.get_logger("gateway.app.health")


class Health:
    """Watches the scorer and answers health checks."""

    def __init__(
        self, probe: Callable[[], Awaitable[Bundle]], check: Callable[[Bundle], None], metrics: Metrics
    ) -> None:
        """`probe` gives the bundle that is served, `check` refuses a wrong one; both by raising GatewayError."""
        self.service = HealthService()
        self._probe = probe
        self._check = check
        self._metrics = metrics
        self._problem: str | None = "not probed yet"
        self._publish(False)

    @property
    def ready(self) -> bool:
        """What the last look said."""
        return self._problem is None

    async def update(self) -> str | None:
        """Probes once and publishes the outcome: None when ready, else what is wrong."""
        bundle_id, problem = None, None
        try:
            bundle = await self._probe()
            bundle_id = bundle.bundle_id or None
            self._check(bundle)
        except GatewayError as error:
            problem = str(error)
        if (problem is None) is not (self._problem is None):
            log.log(INFO if problem is None else WARNING, "readiness", bundle_id=bundle_id, problem=problem)
        self._problem = problem
        self._metrics.readiness(problem is None, bundle_id)
        self._publish(problem is None)
        return problem

    async def watch(self, interval_seconds: float) -> None:
        """Probes for ever."""
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                await self.update()
            except Exception:  # a defect; but a watcher that died would leave health as it was for ever
                log.exception("watching failed")

    def drain(self) -> None:
        """Not serving from now on, whatever Triton says."""
        self.service.drain()

    def _publish(self, ready: bool) -> None:
        status = health_pb2.HealthCheckResponse
        self.service.set(FOLLOWING, status.SERVING if ready else status.NOT_SERVING)
        self.service.set((LIVE,), status.SERVING)
