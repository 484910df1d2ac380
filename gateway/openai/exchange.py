"""One HTTP request as Envoy tells it: each message that arrives becomes the messages to answer with.

BUFFERED: headers are let go at once, the body comes whole and goes back whole. FULL_DUPLEX_STREAMED: nothing is
answered until the body is complete; then headers and body go back in pieces. Once a request is decided the exchange has
ended: the stream to Envoy is closed, and the LLM's answer needs no gateway any more.
"""

from collections.abc import Callable, Mapping

from envoy.extensions.filters.http.ext_proc.v3 import processing_mode_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb

from gateway.limits.budget import Budget
from gateway.openai import mutations
from gateway.openai.apis import APIS
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.collecting import Collecting
from gateway.openai.direct import answered_here, path_of, protocol_of
from gateway.openai.pass_through import PassThrough
from gateway.openai.routing import Routing
from gateway.policy.capabilities import ApiProtocol

_DUPLEX = processing_mode_pb2.ProcessingMode.FULL_DUPLEX_STREAMED

Responses = list[pb.ProcessingResponse]


class Exchange:
    """State between the messages of one HTTP request."""

    def __init__(
        self, routing: Routing, memory: Budget, on_headers: Callable[[Mapping[str, str]], None] | None = None
    ) -> None:
        self._routing = routing
        self._memory = memory
        self._on_headers = on_headers
        self._duplex_request = self._duplex_response = False
        self._protocol = ApiProtocol.OPENAI
        self._phases: Collecting | PassThrough = PassThrough(duplex_request=False)
        self._refused = False

    @property
    def ended(self) -> bool:
        """Nothing that Envoy may still say needs an answer."""
        return self._refused or self._phases.ended

    async def answer(self, request: pb.ProcessingRequest) -> Responses:
        """What to send to Envoy for `request`, in order; mostly one message.

        Raises:
            BudgetExceededError: there is no room for the body.
            ReaderError: the body could not be read.
        """
        try:
            return await self._answer(request)
        except OpenAiError as error:
            self.close()
            self._refused = True
            self._routing.metrics.openai_refused(error.status)
            return [pb.ProcessingResponse(immediate_response=mutations.error(error, self._protocol))]

    def close(self) -> None:
        """Forgets the body; nothing is routed any more."""
        self._phases.close()
        self._phases = PassThrough(duplex_request=self._duplex_request)

    async def _answer(self, request: pb.ProcessingRequest) -> Responses:
        if request.HasField("protocol_config"):
            self._duplex_request = request.protocol_config.request_body_mode == _DUPLEX
            self._duplex_response = request.protocol_config.response_body_mode == _DUPLEX
        match request.WhichOneof("request"):
            case "request_headers":
                return self._request_headers(request.request_headers)
            case "request_body":
                return await self._phases.request_body(request.request_body)
            case "request_trailers":
                return await self._phases.request_trailers()
            case "response_headers":
                return [pb.ProcessingResponse(response_headers=pb.HeadersResponse(response=mutations.continued()))]
            case "response_body":
                return PassThrough.echo("response_body", request.response_body, duplex=self._duplex_response)
            case "response_trailers":
                return [pb.ProcessingResponse(response_trailers=pb.TrailersResponse())]
            case _:
                return []

    def _request_headers(self, message: pb.HttpHeaders) -> Responses:
        headers = mutations.header_map(message)
        if self._on_headers is not None:
            self._on_headers(headers)
        self.close()
        self._protocol = protocol_of(headers)
        if (answer := answered_here(self._routing, headers)) is not None:
            self._refused = True
            return [pb.ProcessingResponse(immediate_response=answer)]
        if (api := APIS.get(path_of(headers))) is not None:
            self._phases = Collecting(self._routing, self._memory, api, duplex=self._duplex_request)
        return self._phases.request_headers(message, headers)
