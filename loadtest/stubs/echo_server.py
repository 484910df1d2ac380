"""The least a gRPC server in Python can do: every query is answered with the same message. For comparison only.

    python -m loadtest.stubs.echo_server HEX    (a serialized RouteResponse)

Serves Route, RouteBatch and RouteStream, prints its address once it does, and ends with SIGTERM.
"""

import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import uvloop
from grpc import aio

from loadtest.stubs.bare_server import until_terminated
from routerdc_contract.v1 import router_pb2 as pb


async def serve(answer: pb.RouteResponse) -> None:
    """Until the process ends: reads requests, writes answers, nothing between."""

    async def route(request: pb.RouteRequest, context: object) -> pb.RouteResponse:
        return answer

    async def batch(request: pb.RouteBatchRequest, context: object) -> pb.RouteBatchResponse:
        return pb.RouteBatchResponse(
            results=[pb.RouteResult(request_id=one.request_id, response=answer) for one in request.requests]
        )

    async def stream(requests: AsyncIterator[pb.RouteRequest], context: object) -> AsyncIterator[pb.RouteResult]:
        async for one in requests:
            yield pb.RouteResult(request_id=one.request_id, response=answer)

    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Route": grpc.unary_unary_rpc_method_handler(
            route, pb.RouteRequest.FromString, pb.RouteResponse.SerializeToString
        ),
        "RouteBatch": grpc.unary_unary_rpc_method_handler(
            batch, pb.RouteBatchRequest.FromString, pb.RouteBatchResponse.SerializeToString
        ),
        "RouteStream": grpc.stream_stream_rpc_method_handler(
            stream, pb.RouteRequest.FromString, pb.RouteResult.SerializeToString
        ),
    }
    server = aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("routerdc.v1.Router", handlers)])
    await until_terminated(server)


if __name__ == "__main__":
    uvloop.run(serve(pb.RouteResponse.FromString(bytes.fromhex(sys.argv[1]))))
