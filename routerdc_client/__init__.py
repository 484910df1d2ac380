"""Python clients of the router, sync and async, for programs that want a decision.

    from routerdc_client import RouterClient

    with RouterClient("127.0.0.1:50051") as router:
        decision = router.route("Write a function that reverses a list.", deadline_ms=50)
        print(decision.llm, decision.endpoint.address)

The extra `client` installs what this package needs: grpcio, grpcio-status, protobuf and googleapis-common-protos. It
does not know the gateway. `docs/how-to/client.md` describes deadlines, retries and errors.
"""

from routerdc_client.aio import AsyncRouterClient
from routerdc_client.calls import DEFAULT_DEADLINE_MS, RouteOptions, route_request
from routerdc_client.errors import RouteError
from routerdc_client.sync import RouterClient
from routerdc_client.tls import ClientTls

__all__ = [
    "DEFAULT_DEADLINE_MS",
    "AsyncRouterClient",
    "ClientTls",
    "RouteError",
    "RouteOptions",
    "RouterClient",
    "route_request",
]
