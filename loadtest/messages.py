"""The messages that load tests send, by entrance, serialized: the router's, KServe's and OpenAI's. No I/O."""

import json
import struct

from tritonclient.grpc import service_pb2

from contract import tensors
from contract.v1 import router_pb2 as pb

ROUTE = "/routerdc.v1.Router/Route"
INFER = "/inference.GRPCInferenceService/ModelInfer"
CHAT_COMPLETIONS = "/chat/completions"
VIRTUAL_MODEL = "auto"

DECISIONS = frozenset({pb.REASON_ROUTED, pb.REASON_CACHED, pb.REASON_STICKY, pb.REASON_ONLY_ONE, pb.REASON_ABSTAINED})
_OUTPUTS = (tensors.SCORES, tensors.TOKEN_COUNT, tensors.TRUNCATED, tensors.BUNDLE_ID)


def route(query: str) -> bytes:
    """RouteRequest."""
    return pb.RouteRequest(query=query).SerializeToString()


def infer(query: str) -> bytes:
    """ModelInferRequest of one row, as the gateway sends it."""
    request = service_pb2.ModelInferRequest(model_name=tensors.ROUTER_MODEL)
    request.inputs.add(name=tensors.QUERY, datatype="BYTES", shape=[1, 1])
    for name in _OUTPUTS:
        request.outputs.add(name=name)
    element = query.encode()
    request.raw_input_contents.append(struct.pack("<I", len(element)) + element)
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


def infer_problem(answer: bytes) -> str:
    """Empty where there are scores."""
    return "" if service_pb2.ModelInferResponse.FromString(answer).raw_output_contents else "NO_SCORES"
