"""The least a gRPC server in Python can do: every Route is answered with the same message. For comparison only.

    python -m loadtest.stubs.echo_server HEX    (a serialized RouteResponse)

Prints its address once it serves and ends with SIGTERM.
"""

import sys

import grpc
import uvloop
from grpc import aio

from loadtest.stubs.bare_server import until_terminated
from routerdc_contract.v1 import router_pb2 as pb


async def serve(answer: pb.RouteResponse) -> None:
    """Until the process ends: reads the request, writes the answer, nothing between."""

    async def route(request: pb.RouteRequest, context: object) -> pb.RouteResponse:
        return answer

    handler = grpc.unary_unary_rpc_method_handler(route, pb.RouteRequest.FromString, pb.RouteResponse.SerializeToString)
    server = aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("routerdc.v1.Router", {"Route": handler})])
    await until_terminated(server)


if __name__ == "__main__":
    uvloop.run(serve(pb.RouteResponse.FromString(bytes.fromhex(sys.argv[1]))))
