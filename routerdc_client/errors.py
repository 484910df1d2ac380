"""The one error of the clients, and the one place that makes it from gRPC's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


class RouteError(Exception):
    """The gateway did not answer, or refused the call.

        try:
            decision = router.route(query)
        except RouteError as error:
            if error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
                ...  # the gateway is overloaded: use a default LLM

    `code` is gRPC's status code, `message` is the gateway's sentence, and `fields` names the request's wrong fields
    (empty unless `code` is INVALID_ARGUMENT).
    """

    def __init__(self, code: grpc.StatusCode, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.fields = fields


@contextmanager
def route_errors() -> Iterator[None]:
    """Raises a RouteError in place of an error of gRPC, sync or async."""
    try:
        yield
    except grpc.RpcError as error:
        raise _route_error(error) from None


def _route_error(error: grpc.RpcError) -> RouteError:
    # Both kinds of error, grpc's and grpc.aio's, are calls as well; their common base class does not say so.
    call: grpc.Call = error  # type: ignore[assignment]
    return RouteError(call.code(), call.details() or "no details", tuple(_wrong_fields(call)))


def _wrong_fields(call: grpc.Call) -> Iterator[str]:
    status = rpc_status.from_call(call)
    for detail in status.details if status else ():
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(bad_request):
            yield from (violation.field for violation in bad_request.field_violations)
