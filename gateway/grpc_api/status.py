"""From an error to a gRPC status: one table, and the google.rpc details that go with it.

Details follow https://google.aip.dev/193: BadRequest names the field, RetryInfo says when to come back.
"""

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway import errors

CODES: dict[type[BaseException], code_pb2.Code.ValueType] = {
    errors.InvalidRequestError: code_pb2.INVALID_ARGUMENT,
    errors.PriceUnknownError: code_pb2.FAILED_PRECONDITION,
    errors.ExcludedError: code_pb2.FAILED_PRECONDITION,
    errors.ContextOverflowError: code_pb2.FAILED_PRECONDITION,
    errors.BudgetExceededError: code_pb2.RESOURCE_EXHAUSTED,
    errors.ConcurrencyLimitError: code_pb2.RESOURCE_EXHAUSTED,
    errors.RateLimitedError: code_pb2.RESOURCE_EXHAUSTED,
    errors.UnauthenticatedError: code_pb2.UNAUTHENTICATED,
    errors.ForbiddenError: code_pb2.PERMISSION_DENIED,
    errors.NoLlmError: code_pb2.UNAVAILABLE,
    # The router turns these into fallbacks; the codes are for whoever calls a scorer without it.
    errors.ScorerTimeoutError: code_pb2.DEADLINE_EXCEEDED,
    errors.ScorerUnavailableError: code_pb2.UNAVAILABLE,
    errors.ScorerOverloadedError: code_pb2.RESOURCE_EXHAUSTED,
    errors.NoRouterError: code_pb2.UNAVAILABLE,
    errors.ScorerFailedError: code_pb2.INTERNAL,
    errors.BundleMismatchError: code_pb2.FAILED_PRECONDITION,
    errors.StaleKeysError: code_pb2.UNAVAILABLE,
    # The process ends before it could answer anybody with these.
    errors.SettingsError: code_pb2.INTERNAL,
    errors.EndpointsError: code_pb2.INTERNAL,
    errors.TlsError: code_pb2.INTERNAL,
    errors.CallersError: code_pb2.INTERNAL,
    errors.TracingMissingError: code_pb2.INTERNAL,
    errors.FileHangsError: code_pb2.INTERNAL,
    errors.PortInUseError: code_pb2.INTERNAL,
    errors.WorkerError: code_pb2.INTERNAL,
    errors.TritonMissingError: code_pb2.INTERNAL,
}

MAX_MESSAGE_CHARS = 500
INTERNAL_MESSAGE = "internal error in the gateway; its log has the details under this request id"


def of(error: BaseException) -> status_pb2.Status:
    """The status that a caller gets for `error`; what the table does not name is a defect: INTERNAL, nothing leaks."""
    code = CODES.get(type(error))
    if code is None:
        return status_pb2.Status(code=code_pb2.INTERNAL, message=INTERNAL_MESSAGE)
    details = [_packed(detail) for detail in _details(error)]
    return status_pb2.Status(code=code, message=_bounded(str(error)), details=details)


def retry_delay_ms(status: status_pb2.Status) -> int | None:
    """When the caller may try again, if the status says so."""
    info = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            return int(info.retry_delay.ToMilliseconds())
    return None


def _details(error: BaseException) -> list[Message]:
    if isinstance(error, errors.InvalidRequestError):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=_bounded(error.problem))
        return [error_details_pb2.BadRequest(field_violations=[violation])]
    if isinstance(error, errors.OverloadedError):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        return [error_details_pb2.RetryInfo(retry_delay=delay)]
    return []


def _bounded(text: str) -> str:
    """A status travels in the trailers, which clients refuse over 8 KiB; what callers sent may be longer."""
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
