"""A client that sends one request after the other with a body of eight megabytes, as Envoy would pass them on.

    python -m tests.chaos.callers.large_bodies ADDRESS UNIT

The body is a chat with one more member, a list of nothing but UNIT. It goes on until it is stopped.
"""

import sys
from typing import Any

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc

BODY_BYTES = 8 * 2**20 - 400


def body(unit: str) -> bytes:
    """The body."""
    units = ",".join([unit] * (BODY_BYTES // (len(unit) + 1)))
    return f'{{"messages": [{{"role": "user", "content": "hi"}}], "x": [{units}], "model": "auto"}}'.encode()


def main(address: str, unit: str) -> None:
    """Sends for ever.

    Raises:
        RuntimeError: a request was not decided.
    """
    pairs = {":method": "POST", ":path": "/v1/chat/completions"}
    values = [base_pb2.HeaderValue(key=key, raw_value=value.encode()) for key, value in pairs.items()]
    headers = pb.ProcessingRequest(request_headers=pb.HttpHeaders(headers=base_pb2.HeaderMap(headers=values)))
    whole = pb.ProcessingRequest(request_body=pb.HttpBody(body=body(unit), end_of_stream=True))
    with grpc.insecure_channel(address, [("grpc.max_receive_message_length", 16 * 2**20)]) as channel:
        stub: Any = external_processor_pb2_grpc.ExternalProcessorStub(channel)
        while True:
            *_, decided = stub.Process(iter((headers, whole)))
            if not decided.request_body.response.clear_route_cache:
                raise RuntimeError(str(decided)[:500])


if __name__ == "__main__":
    main(*sys.argv[1:])
