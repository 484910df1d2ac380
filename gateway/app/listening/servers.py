"""The gRPC servers of one gateway: the one for callers, and the one for Envoy where its port is open.

Envoy's is apart because it is trusted with more: whole bodies, no API key of its own (Envoy passes its clients' keys on
in their requests), and its word for the hosts of its callers. It passes their gRPC calls on, too, so all services are
there. Only Envoys should reach it. Does not know what the services do.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from envoy.service.ext_proc.v3 import external_processor_pb2
from grpc import aio
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_reflection.v1alpha import reflection, reflection_pb2

from gateway.app.listening.ports import bind, ext_proc_options, public_options
from gateway.app.listening.tls import ServerTls
from gateway.app.process.memory import resident_bytes
from gateway.config.settings import Settings
from gateway.grpc_api.health import HealthService
from gateway.grpc_api.intake import registration
from gateway.grpc_api.intake.guard import Intake
from gateway.grpc_api.intake.peers import Forwarded
from gateway.grpc_api.servicer import RouterServicer
from gateway.openai.servicer import ExternalProcessor
from routerdc_contract.services import EXTERNAL_PROCESSOR, ROUTER
from routerdc_contract.v1 import router_pb2

Interceptors = Sequence[aio.ServerInterceptor]


class Servers:
    """Both servers, bound to their ports; they serve once they are started."""

    def __init__(
        self, settings: Settings, tls: ServerTls | None, traced: Interceptors, authenticated: Interceptors
    ) -> None:
        """`traced` see every call, `authenticated` those of callers.

        Raises:
            PortInUseError: a port cannot be had.
        """
        listen = settings.listen
        self._max_message_bytes = settings.limits.max_message_bytes
        self._callers = aio.server(options=public_options(settings), interceptors=[*traced, *authenticated])
        self.port = bind(self._callers, listen.host, listen.port, tls, "port")
        self._envoy: aio.Server | None = None
        self.ext_proc_port: int | None = None
        if listen.ext_proc_port is not None:
            interceptors = [*traced, Forwarded(), *authenticated]
            self._envoy = aio.server(options=ext_proc_options(settings), interceptors=interceptors)
            self.ext_proc_port = bind(self._envoy, listen.host, listen.ext_proc_port, tls, "ext-proc-port")

    def add(self, router: RouterServicer, processor: ExternalProcessor, health: HealthService) -> None:
        """What is served."""
        intake = Intake(resident_bytes, processor.held_bytes)
        calls = router_pb2.DESCRIPTOR.services_by_name["Router"]
        reflected = reflection.aio.ReflectionServicer((ROUTER, HEALTH_SERVICE, reflection.SERVICE_NAME))
        descriptor: Any = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]  # the stubs' name is another
        for server in self._both:
            registration.add(calls, router, server, intake, self._max_message_bytes)
            registration.add(descriptor, reflected, server, intake, self._max_message_bytes)
            health.add_to(server, intake)
        if self._envoy is not None:
            service = external_processor_pb2.DESCRIPTOR.services_by_name[EXTERNAL_PROCESSOR.rpartition(".")[2]]
            registration.add(service, processor, self._envoy)

    async def start(self) -> None:
        """Serves from now on."""
        for server in self._both:
            await server.start()

    async def stop(self, grace_seconds: float | None = None) -> None:
        """Takes no more calls; those in flight have `grace_seconds` (None: no time) to be answered.

        Where this is cancelled, they have no more time.
        """
        try:
            await asyncio.gather(*(server.stop(grace_seconds) for server in self._both))
        except asyncio.CancelledError:
            await asyncio.gather(*(server.stop(None) for server in self._both))
            raise

    @property
    def _both(self) -> list[aio.Server]:
        return [self._callers] if self._envoy is None else [self._callers, self._envoy]
