"""The phases of a request that is not ours to route: whatever comes goes on unchanged."""

from collections.abc import Mapping

from envoy.service.ext_proc.v3 import external_processor_pb2 as pb

from gateway.openai import mutations


class PassThrough:
    """Changes nothing. It has ended at once, except where Envoy hands over the request's body and wants it back."""

    def __init__(self, *, duplex_request: bool) -> None:
        self._duplex = duplex_request
        self.ended = False

    def request_headers(self, message: pb.HttpHeaders, _: Mapping[str, str]) -> list[pb.ProcessingResponse]:
        """Let go at once."""
        self.ended = message.end_of_stream or not self._duplex
        return [mutations.headers_response(mutations.continued())]

    async def request_body(self, message: pb.HttpBody) -> list[pb.ProcessingResponse]:
        """In duplex mode what is not sent back is lost."""
        self.ended = message.end_of_stream
        return self.echo("request_body", message, duplex=self._duplex)

    async def request_trailers(self) -> list[pb.ProcessingResponse]:
        """They end the body."""
        self.ended = True
        return [pb.ProcessingResponse(request_trailers=pb.TrailersResponse())]

    def close(self) -> None:
        """Holds nothing."""

    @staticmethod
    def echo(field: str, message: pb.HttpBody, *, duplex: bool) -> list[pb.ProcessingResponse]:
        """A piece of a body, of a request or of an answer, as it came."""
        if not duplex:
            return [mutations.body_response(field, mutations.continued())]
        pieces = mutations.chunks(message.body, last=message.end_of_stream)
        return [mutations.body_response(field, piece) for piece in pieces]
