"""A gRPC server of any service: it answers every method with an empty message and records who called."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

Seen = list[tuple[str, dict[str, str]]]
"""(method, headers) of each call, in order"""


@contextmanager
def recording_server(service: ServiceDescriptor) -> Iterator[tuple[str, Seen]]:
    """Yields the server's address and what it has seen."""
    seen: Seen = []
    server = grpc.server(ThreadPoolExecutor(2))
    handlers = {method.name: _handler(method, seen) for method in service.methods}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", seen
    finally:
        server.stop(None).wait()


def _handler(method: MethodDescriptor, seen: Seen) -> "grpc.RpcMethodHandler[Any, Any]":
    request, answer = (message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type))

    def unary(_: Any, context: grpc.ServicerContext) -> Any:
        seen.append((method.name, {str(key): str(value) for key, value in context.invocation_metadata()}))
        return answer()

    def stream(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        list(requests)
        yield unary(None, context)

    if method.server_streaming:
        return grpc.stream_stream_rpc_method_handler(
            stream, request_deserializer=request.FromString, response_serializer=answer.SerializeToString
        )
    return grpc.unary_unary_rpc_method_handler(
        unary, request_deserializer=request.FromString, response_serializer=answer.SerializeToString
    )
