"""The phases of a request that is routed: its body is collected, decided, and sent on with the chosen LLM's model."""

from collections.abc import Mapping

from envoy.service.ext_proc.v3 import external_processor_pb2 as pb

from gateway.limits.budget import Budget
from gateway.openai import mutations
from gateway.openai.apis import Api
from gateway.openai.auth import NOBODY
from gateway.openai.bodies.answers import invalid, too_large
from gateway.openai.routing import Routing

# Of a body that is too large so many times the limit is read and dropped before it is refused: a client that is still
# sending when its connection ends sees that, and not the answer.
_DRAINED_LIMITS = 4

Responses = list[pb.ProcessingResponse]


class Collecting:
    """One request."""

    def __init__(self, routing: Routing, memory: Budget, api: Api, *, duplex: bool) -> None:
        self._routing = routing
        self._memory = memory
        self._api = api
        self._duplex = duplex
        self._pieces: list[bytes] = []
        self._held_bytes = 0  # taken from `memory`
        self._read_bytes = 0  # of the body, kept or not
        self._declared_bytes = 0  # what its content-length says; 0: nothing
        self._coding = ""
        self._sender = NOBODY
        self.ended = False

    def request_headers(self, message: pb.HttpHeaders, headers: Mapping[str, str]) -> Responses:
        """Let go at once, or, in duplex mode, together with the body.

        Raises:
            OpenAiError: 400, 401, 413: the request is refused before its body is read.
        """
        self._sender = self._routing.senders.identify(headers)
        if message.end_of_stream:
            raise invalid(None, "is empty: a JSON object is needed")
        self._coding = headers.get("content-encoding", "")
        self._declared_bytes = int(length) if (length := headers.get("content-length", "")).isdecimal() else 0
        self._check_size(more=True)
        return [] if self._duplex else [mutations.headers_response(mutations.continued())]

    async def request_body(self, message: pb.HttpBody) -> Responses:
        """Collected until it is whole.

        Raises:
            OpenAiError: the request is refused.
            BudgetExceededError: there is no room for it.
        """
        data = message.body  # once: each look at it is a copy
        self._read_bytes += len(data)
        self._check_size(more=not message.end_of_stream)
        if self._body_bytes > self._routing.openai.max_body_bytes:
            self.close()
        else:
            self._hold(len(data))
            self._pieces.append(data)
        if message.end_of_stream:
            return await self._route(last=True)
        if self._duplex:
            return []
        # Envoy was told to buffer the body and did so only in part: it is longer than Envoy's own limit.
        raise too_large(self._read_bytes)

    async def request_trailers(self) -> Responses:
        """In duplex mode they, not a last chunk, may end the body."""
        routed = Responses()
        if self._duplex:
            self._check_size(more=False)
            routed = await self._route(last=False)
        return [*routed, pb.ProcessingResponse(request_trailers=pb.TrailersResponse())]

    def close(self) -> None:
        """Forgets the body."""
        self._memory.give_back(self._held_bytes)
        self._held_bytes = 0
        self._pieces.clear()

    async def _route(self, *, last: bool) -> Responses:
        if self._coding:  # whatever the body inflates to is paid for in advance
            self._hold(self._routing.openai.max_body_bytes)
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        routed = await self._routing.route(self._api, body, self._sender, self._coding)
        self._pieces.clear()  # what was taken from the memory stays taken: the body is on its way back to Envoy
        self.ended = True
        picker = self._routing.openai.endpoint_picker
        mutation = mutations.request_mutation(routed, endpoint_picker=picker)
        if self._duplex:
            response = mutations.headers_response(mutation)
            pieces = mutations.chunks(routed.body, last=last)
            rest = [mutations.body_response("request_body", piece) for piece in pieces]
        else:
            response, rest = mutations.body_response("request_body", mutation), []
            # Set in its last place: a message is copied into the one that holds it, eight megabytes each time.
            response.request_body.response.body_mutation.body = routed.body
        response.dynamic_metadata.CopyFrom(mutations.metadata(routed, endpoint_picker=picker))
        return [response, *rest]

    def _hold(self, size_bytes: int) -> None:
        self._memory.take(size_bytes)
        self._held_bytes += size_bytes

    @property
    def _body_bytes(self) -> int:
        """How many the body has, as far as is known."""
        return max(self._declared_bytes, self._read_bytes)

    def _check_size(self, *, more: bool) -> None:
        """Refuses a body that is too large: now, or, in duplex mode while `more` of it comes, later."""
        limit = self._routing.openai.max_body_bytes
        if self._body_bytes > limit * (_DRAINED_LIMITS if more and self._duplex else 1):
            raise too_large(limit)
