"""The gRPC service `envoy.service.ext_proc.v3.ExternalProcessor`: one stream for each HTTP request.

Knows grpc's server side; decides nothing.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
import structlog
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc

from gateway.errors import BudgetExceededError, InvalidRequestError
from gateway.limits.budget import Budget
from gateway.openai import mutations
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.reader import ReaderError
from gateway.openai.exchange import Exchange
from gateway.openai.routing import Routing
from gateway.telemetry.logs import Throttled

FAILURE_MODE_KEY = "x-routerdc-failure-mode"
FAIL_OPEN = "open"
"""Metadata by which Envoy, as `routerdc envoy-config` renders it, says that it lets requests pass without a gateway."""

_UNGUARDED = OpenAiError(
    503,
    "this Envoy lets requests pass while no gateway answers, and this gateway asks for API keys: without it nobody "
    "would; render Envoy's configuration with --fail-closed",
    code="api_keys_need_fail_closed",
)

log = structlog.get_logger("gateway.openai")

Context = Any  # grpc.aio.ServicerContext; the generated stubs and types-grpcio do not agree on its type


class ExternalProcessor(external_processor_pb2_grpc.ExternalProcessorServicer):  # type: ignore[misc]
    """Serves a `Routing` to Envoy."""

    def __init__(self, routing: Routing, on_headers: Callable[[Mapping[str, str]], None] | None = None) -> None:
        """`on_headers` hears of each HTTP request's headers (names in lower case), in the context of the stream."""
        self._routing = routing
        self._on_headers = on_headers
        self._memory = Budget(routing.openai.max_held_body_bytes, "bytes of request bodies are held")
        self._warn = Throttled(log, "not answered")

    def held_bytes(self) -> int:
        """Bytes of bodies that are held now."""
        return self._memory.held

    async def Process(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.ProcessingRequest | InvalidRequestError], context: Context
    ) -> AsyncIterator[pb.ProcessingResponse]:
        """Answers the messages of one HTTP request. A client that hangs up cancels the stream and what it waits for.

        The stream ends with the decision, so that the LLM's answer, which may take minutes, outlives the gateway.

        Where API keys are needed, an Envoy that would do without them and us is refused in normal times, when somebody
        sees it. A defect ends the stream with INTERNAL, a lack of memory with RESOURCE_EXHAUSTED; Envoy then goes on
        without us (its `failure_mode_allow`).
        """
        exchange = Exchange(self._routing, self._memory, self._on_headers)
        unguarded = self._routing.senders.need_keys and _fails_open(context)
        try:
            async for request in request_iterator:
                if isinstance(request, InvalidRequestError):  # in place of a message that was refused unparsed
                    raise request
                if unguarded:
                    self._routing.metrics.openai_refused(_UNGUARDED.status)
                    self._warn("fail_open", problem=_UNGUARDED.message)
                    yield pb.ProcessingResponse(immediate_response=mutations.error(_UNGUARDED))
                    return
                for response in await exchange.answer(request):
                    yield response
                if exchange.ended:
                    return
        except InvalidRequestError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except BudgetExceededError as error:
            self._warn("body_memory", error=str(error))
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except ReaderError as error:
            self._warn("reader", error=str(error))
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except Exception as error:
            log.error("internal error", exc_info=error)
            await context.abort(grpc.StatusCode.INTERNAL, "internal error in the gateway; its log has the details")
        finally:
            exchange.close()


def _fails_open(context: Context) -> bool:
    return (FAILURE_MODE_KEY, FAIL_OPEN) in tuple(context.invocation_metadata() or ())
