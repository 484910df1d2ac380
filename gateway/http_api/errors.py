"""Errors over HTTP: the gRPC statuses' HTTP counterparts, and bodies in the form that OpenAI's clients know."""

from typing import Any

from aiohttp import web
from google.rpc import code_pb2, status_pb2

from gateway.errors import ContextOverflowError, InvalidRequestError
from gateway.grpc_api import status as statuses

HTTP_STATUSES = {
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.FAILED_PRECONDITION: 400,
    code_pb2.UNAUTHENTICATED: 401,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.UNAVAILABLE: 503,
    code_pb2.DEADLINE_EXCEEDED: 504,
}


class QuestionError(Exception):
    """A question that is not about the LLMs of the pool; `param` is the path of the field that says so."""

    def __init__(self, param: str, problem: str) -> None:
        super().__init__(f"{param}: {problem}")
        self.param = param


class UndecidedError(Exception):
    """There are no scores, so there are no probabilities: the program that asks goes on by its own rules."""


def of_error(error: Exception, answer: status_pb2.Status) -> web.Response:
    """The response for `error`, whose gRPC status is `answer`; RetryInfo becomes Retry-After."""
    http = HTTP_STATUSES.get(answer.code, 500)
    delay_ms = statuses.retry_delay_ms(answer)
    headers = {} if delay_ms is None else {"Retry-After": str(-(-delay_ms // 1000))}
    param = error.field if isinstance(error, InvalidRequestError) else None
    code = "context_length_exceeded" if isinstance(error, ContextOverflowError) else None
    return response(http, answer.message, param, headers, code)


def response(
    http: int,
    message: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
    code: str | None = None,
) -> web.Response:
    """An error with its message; `param` is the path of the field that is wrong, `code` what clients act upon."""
    kind = "invalid_request_error" if http < 500 else "server_error"
    body: dict[str, Any] = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return web.json_response(body, status=http, headers=headers)
