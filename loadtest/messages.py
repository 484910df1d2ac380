"""The messages that load tests send, by entrance, serialized: the router's, KServe's and OpenAI's. No I/O."""

import json
import struct
from collections.abc import Sequence

from tritonclient.grpc import service_pb2

from contract import tensors
from contract.v1 import router_pb2 as pb

ROUTE = "/routerdc.v1.Router/Route"
ROUTE_BATCH = "/routerdc.v1.Router/RouteBatch"
INFER = "/inference.GRPCInferenceService/ModelInfer"
CHAT_COMPLETIONS = "/chat/completions"
VIRTUAL_MODEL = "auto"
# What the header `x-routerdc-reason` says of answers without a decision, and what they are counted as.
FALLBACK = "fallback"
NO_SCORES = "NO_SCORES"

DECISIONS = frozenset({pb.REASON_ROUTED, pb.REASON_CACHED, pb.REASON_STICKY, pb.REASON_ONLY_ONE, pb.REASON_ABSTAINED})
_OUTPUTS = (tensors.SCORES, tensors.TOKEN_COUNT, tensors.TRUNCATED, tensors.BUNDLE_ID)


def route(query: str) -> bytes:
    """RouteRequest."""
    return pb.RouteRequest(query=query).SerializeToString()


def route_batch(queries: Sequence[str]) -> bytes:
    """RouteBatchRequest."""
    return pb.RouteBatchRequest(requests=[pb.RouteRequest(query=query) for query in queries]).SerializeToString()


def infer(*queries: str) -> bytes:
    """ModelInferRequest of a row for each query, as the gateway sends it."""
    request = service_pb2.ModelInferRequest(model_name=tensors.ROUTER_MODEL)
    request.inputs.add(name=tensors.QUERY, datatype="BYTES", shape=[len(queries), 1])
    for name in _OUTPUTS:
        request.outputs.add(name=name)
    elements = [query.encode() for query in queries]
    request.raw_input_contents.append(b"".join(struct.pack("<I", len(e)) + e for e in elements))
    message: bytes = request.SerializeToString()
    return message


def chat(query: str, *, stream: bool = False) -> bytes:
    """Body of a chat completion by whichever LLM the router chooses."""
    body = {"model": VIRTUAL_MODEL, "stream": stream, "messages": [{"role": "user", "content": query}]}
    return json.dumps(body).encode()


def route_problem(answer: bytes) -> str:
    """Empty for a decision of the router, or the reason why it is none."""
    reason = pb.RouteResponse.FromString(answer).reason
    return "" if reason in DECISIONS else pb.Reason.Name(reason)


def batch_problem(answer: bytes) -> str:
    """The same for all rows of a batch: the first reason there is."""
    for result in pb.RouteBatchResponse.FromString(answer).results:
        if result.HasField("error"):
            return result.error.message
        if result.response.reason not in DECISIONS:
            return pb.Reason.Name(result.response.reason)
    return ""


def infer_problem(answer: bytes) -> str:
    """Empty where there are scores."""
    return "" if service_pb2.ModelInferResponse.FromString(answer).raw_output_contents else NO_SCORES
