"""One HTTP request as Envoy tells it: each message that arrives becomes the messages to answer with.

BUFFERED: headers are let go at once, the body comes whole and goes back whole. FULL_DUPLEX_STREAMED: nothing is
answered until the body is complete; then headers and body go back in pieces. Requests that are not routed pass
unchanged. Any order of messages is answered somehow; only Envoy's documented orders make sense.
"""

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote

from envoy.extensions.filters.http.ext_proc.v3 import processing_mode_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb

from gateway.limits.budget import Budget
from gateway.openai import mutations
from gateway.openai.answers import OpenAiError, invalid, too_large
from gateway.openai.auth import NOBODY
from gateway.openai.query import Api
from gateway.openai.routing import Routed, Routing

_DUPLEX = processing_mode_pb2.ProcessingMode.FULL_DUPLEX_STREAMED
_MODELS = "/v1/models"
# Of a body that is too large so many times the limit is read and dropped before it is refused: a client that is still
# sending when its connection ends sees that, and not the answer.
_DRAINED_LIMITS = 4
_APIS = {api.value: api for api in Api}

Responses = list[pb.ProcessingResponse]


class Exchange:
    """State between the messages of one HTTP request."""

    def __init__(
        self, routing: Routing, memory: Budget, on_headers: Callable[[Mapping[str, str]], None] | None = None
    ) -> None:
        self._routing = routing
        self._on_headers = on_headers
        self._memory = memory
        self._duplex_request = self._duplex_response = False
        self._api: Api | None = None  # None: not routed, or routed or answered already
        self._body = bytearray()
        self._read_bytes = 0  # of the body, kept or not
        self._declared_bytes = 0  # what its content-length says; 0: nothing
        self._sender = NOBODY
        self._routed: Routed | None = None

    async def answer(self, request: pb.ProcessingRequest) -> Responses:
        """What to send to Envoy for `request`, in order; mostly one message.

        Raises:
            BudgetExceededError: there is no room for the body.
        """
        try:
            return await self._answer(request)
        except OpenAiError as error:
            self.close()
            self._routing.metrics.openai_refused(error.status)
            return [pb.ProcessingResponse(immediate_response=mutations.error(error))]

    def close(self) -> None:
        """Forgets the body; nothing is routed any more."""
        self._drop_body()
        self._api = None

    async def _answer(self, request: pb.ProcessingRequest) -> Responses:
        if request.HasField("protocol_config"):
            self._duplex_request = request.protocol_config.request_body_mode == _DUPLEX
            self._duplex_response = request.protocol_config.response_body_mode == _DUPLEX
        match request.WhichOneof("request"):
            case "request_headers":
                return self._request_headers(request.request_headers)
            case "request_body":
                return await self._request_body(request.request_body)
            case "request_trailers":
                return await self._request_trailers()
            case "response_headers":
                return [self._response_headers(request.response_headers)]
            case "response_body":
                return list(self._unchanged("response_body", request.response_body, self._duplex_response))
            case "response_trailers":
                return [pb.ProcessingResponse(response_trailers=pb.TrailersResponse())]
            case _:
                return []

    def _request_headers(self, message: pb.HttpHeaders) -> Responses:
        headers = _headers(message)
        if self._on_headers is not None:
            self._on_headers(headers)
        method, path = headers.get(":method"), headers.get(":path", "").partition("?")[0]
        if method == "GET" and (path == _MODELS or path.startswith(_MODELS + "/")):
            self._routing.senders.identify(headers)
            return [pb.ProcessingResponse(immediate_response=mutations.immediate(200, self._models(path)))]
        self._api = _APIS.get(path) if method == "POST" else None
        if self._api is not None:
            self._sender = self._routing.senders.identify(headers)
            if message.end_of_stream:
                raise invalid(None, "is empty: a JSON object is needed")
            self._declared_bytes = int(length) if (length := headers.get("content-length", "")).isdecimal() else 0
            self._check_size(more=True)
            if self._duplex_request:
                return []
        return [_headers_response(mutations.continued())]

    def _models(self, path: str) -> bytes:
        return self._routing.model(unquote(path[len(_MODELS) + 1 :])) if path != _MODELS else self._routing.models()

    async def _request_body(self, message: pb.HttpBody) -> Responses:
        if self._api is None:
            return list(self._unchanged("request_body", message, self._duplex_request))
        self._read_bytes += len(message.body)
        self._check_size(more=not message.end_of_stream)
        if self._body_bytes > self._routing.plane.max_body_bytes:
            self._drop_body()
        else:
            self._memory.take(len(message.body))
            self._body += message.body
        if message.end_of_stream:
            return await self._route(self._api, last=True)
        if self._duplex_request:
            return []
        # Envoy was told to buffer the body and did so only in part: it is longer than Envoy's own limit.
        raise too_large(len(self._body))

    async def _request_trailers(self) -> Responses:
        """In mode FULL_DUPLEX_STREAMED they, not a last chunk, may end the body."""
        routed = Responses()
        if self._api is not None and self._duplex_request:
            self._check_size(more=False)
            routed = await self._route(self._api, last=False)
        return [*routed, pb.ProcessingResponse(request_trailers=pb.TrailersResponse())]

    async def _route(self, api: Api, *, last: bool) -> Responses:
        self._routed = routed = await self._routing.route(api, bytes(self._body), self._sender)
        self.close()
        picker = self._routing.plane.endpoint_picker
        mutation = mutations.request_mutation(routed, endpoint_picker=picker)
        if self._duplex_request:
            response = _headers_response(mutation)
            rest = [_body_response("request_body", chunk) for chunk in mutations.chunks(routed.body, last=last)]
        else:
            mutation.body_mutation.CopyFrom(mutations.whole_body(routed.body))
            response, rest = _body_response("request_body", mutation), []
        response.dynamic_metadata.CopyFrom(mutations.metadata(routed, endpoint_picker=picker))
        return [response, *rest]

    def _response_headers(self, message: pb.HttpHeaders) -> pb.ProcessingResponse:
        common = mutations.continued()
        if self._routed is not None:
            common = mutations.response_mutation(self._routed, _headers(message).get(mutations.LLM_HEADER))
        return pb.ProcessingResponse(response_headers=pb.HeadersResponse(response=common))

    def _unchanged(self, field: str, message: pb.HttpBody, duplex: bool) -> Iterator[pb.ProcessingResponse]:
        """A piece of a body that is not ours: in duplex mode what is not sent back is lost."""
        if not duplex:
            yield _body_response(field, mutations.continued())
            return
        for chunk in mutations.chunks(message.body, last=message.end_of_stream):
            yield _body_response(field, chunk)

    @property
    def _body_bytes(self) -> int:
        """How many the body has, as far as is known."""
        return max(self._declared_bytes, self._read_bytes)

    def _check_size(self, *, more: bool) -> None:
        """Refuses a body that is too large: now, or, in mode FULL_DUPLEX_STREAMED while `more` of it comes, later."""
        limit = self._routing.plane.max_body_bytes
        if self._body_bytes > limit * (_DRAINED_LIMITS if more and self._duplex_request else 1):
            raise too_large(limit)

    def _drop_body(self) -> None:
        self._memory.give_back(len(self._body))
        self._body = bytearray()


def _headers(message: pb.HttpHeaders) -> dict[str, str]:
    """Envoy sends `raw_value`; other proxies that speak the protocol may send `value`."""
    return {h.key.lower(): (h.raw_value or h.value.encode()).decode(errors="replace") for h in message.headers.headers}


def _headers_response(common: pb.CommonResponse) -> pb.ProcessingResponse:
    return pb.ProcessingResponse(request_headers=pb.HeadersResponse(response=common))


def _body_response(field: str, common: pb.CommonResponse) -> pb.ProcessingResponse:
    body = pb.BodyResponse(response=common)
    if field == "request_body":
        return pb.ProcessingResponse(request_body=body)
    return pb.ProcessingResponse(response_body=body)
