"""Adds a service to a grpc server: its methods and types are those of the service's descriptor.

The generated `add_…_to_server` functions parse whatever comes; here each message passes the wire-format guard first,
and, where strangers may call, the intake guard before that.
"""

from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc import aio

from gateway.grpc_api.intake import wire
from gateway.grpc_api.intake.guard import Intake

_KINDS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


def add(
    service: ServiceDescriptor,
    servicer: object,
    server: aio.Server,
    intake: Intake | None = None,
    max_bytes: int | None = None,
) -> None:
    """Lets `server` answer the methods of `service` by the methods of `servicer` that have their names.

    `intake` bounds what messages cost on their way; None where only programs of ours call. `max_bytes` bounds each
    message; None where the server's own limit does.

    Where the guard refuses a message, the method gets an InvalidRequestError in its place.
    """
    handlers = {
        method.name: _handler(method, getattr(servicer, method.name), intake, max_bytes) for method in service.methods
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))


def _handler(method: MethodDescriptor, behaviour: Any, intake: Intake | None, max_bytes: int | None) -> Any:
    streams = method.client_streaming
    if intake is not None:
        behaviour = intake.streaming(behaviour) if streams else intake.unary(behaviour)
        streams = True
    request = message_factory.GetMessageClass(method.input_type)
    response = message_factory.GetMessageClass(method.output_type)
    return _KINDS[streams, method.server_streaming](
        behaviour, request_deserializer=wire.parser(request, max_bytes), response_serializer=response.SerializeToString
    )
