"""How an RPC ends: with an answer, or with the status of the error that it raised.

    @answered
    async def Route(self, request, context): …

One decorator for every unary RPC, one function for the rows of batches and streams. A defect is logged and told to
nobody; what the gateway refuses on purpose is counted and goes to the caller, with details (see status.py).
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, NoReturn, Protocol, TypeVar

import structlog
from google.rpc import code_pb2, status_pb2
from grpc_status import rpc_status

from gateway.errors import GatewayError
from gateway.grpc_api import status
from gateway.grpc_api.intake.ending import end
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger("gateway.grpc_api.answering")

_RETRY_PUSHBACK_KEY = "grpc-retry-pushback-ms"  # grpc's own retries wait that long (gRFC A6)
_SHOWN_ID_CHARS = 128  # request ids are checked to be no longer; those of refused requests are not

Context = Any  # grpc.aio.ServicerContext; the generated stubs and types-grpcio do not agree on its type
Response = TypeVar("Response")


class Counting(Protocol):
    """A servicer that counts its errors."""

    metrics: Metrics


def answered(
    rpc: Callable[[Any, Any, Context], Awaitable[Response]],
) -> Callable[[Any, Any, Context], Awaitable[Response]]:
    """`rpc`, a method of a `Counting` servicer, with every error turned into the call's status."""

    @wraps(rpc)
    async def call(servicer: Counting, request: Any, context: Context) -> Response:
        try:
            if isinstance(request, GatewayError):  # the wire-format guard refused the message
                raise request
            return await rpc(servicer, request, context)
        except Exception as error:
            await abort(context, of(error, shown_id(request), servicer.metrics))

    return call


def shown_id(request: Any) -> str:
    """The request's id as far as it is repeated in answers and logs; empty where it has none."""
    return str(getattr(request, "request_id", ""))[:_SHOWN_ID_CHARS]


def of(error: BaseException, request_id: str, metrics: Metrics) -> status_pb2.Status:
    """The status for `error`, counted and logged."""
    answer = status.of(error)
    code = code_pb2.Code.Name(answer.code)
    metrics.error(code)
    if isinstance(error, GatewayError):
        log.debug("refused", request_id=request_id, code=code, error=type(error).__name__)
    else:
        log.error("internal error", request_id=request_id, exc_info=error)
    return answer


async def abort(context: Context, answer: status_pb2.Status) -> NoReturn:
    """Ends the call with `answer`, its details, and the time after which grpc's own retries may come back."""
    ending = rpc_status.to_status(answer)
    metadata = tuple(ending.trailing_metadata)
    if (pushback_ms := status.retry_delay_ms(answer)) is not None:
        metadata += ((_RETRY_PUSHBACK_KEY, str(pushback_ms)),)
    await end(context, ending.code, ending.details, metadata)
