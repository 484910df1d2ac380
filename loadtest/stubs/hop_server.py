"""The least a hop through Python costs: every ModelInfer is passed on as it is. For comparison only.

    python -m loadtest.stubs.hop_server HOST:PORT    (of Triton's gRPC)

Prints its address once it serves and ends with SIGTERM.
"""

import sys
from typing import Any

import grpc
import uvloop
from grpc import aio

from loadtest.requests.messages import INFER, MODEL_INFER
from loadtest.stubs.bare_server import until_terminated

_SERVICE = INFER.split("/")[1]


async def serve(triton: str) -> None:
    """Until the process ends: bytes in, bytes on, nothing between."""
    async with aio.insecure_channel(triton) as channel:
        model_infer: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(INFER)

        async def pass_on(request: bytes, context: Any) -> bytes:
            return await model_infer(request, timeout=context.time_remaining())

        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(pass_on)
        server = aio.server()
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, {MODEL_INFER: handler})])
        await until_terminated(server)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
