"""The messages that load tests send, by entrance, serialized: the router's, KServe's and OpenAI's. No I/O."""

import json
import struct
from collections.abc import Sequence

from google.rpc import code_pb2
from tritonclient.grpc import service_pb2

from routerdc_contract import tensors
from routerdc_contract.v1 import router_pb2 as pb

ROUTE = "/routerdc.v1.Router/Route"
ROUTE_BATCH = "/routerdc.v1.Router/RouteBatch"
ROUTE_STREAM = "/routerdc.v1.Router/RouteStream"
MODEL_INFER = "ModelInfer"
INFER = f"/inference.GRPCInferenceService/{MODEL_INFER}"
CHAT_COMPLETIONS = "/chat/completions"
SYSTEM_ONE = "/v1/systemone"
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


def choice(query: str, llms: Sequence[str]) -> bytes:
    """Body of a System One request: which of `llms` answers `query` best."""
    question = {"type": "choice", "criteria": dict.fromkeys(llms)}
    return json.dumps({"state": query, "questions": {"llm": question}}).encode()


def conversation(opener: str, query: str) -> bytes:
    """RouteRequest of a chat: `opener`, an answer, a short reply, another answer, and `query`."""
    texts = (("user", opener), ("assistant", "42"), ("user", "are you sure?"), ("assistant", "Yes."), ("user", query))
    messages = [pb.ChatMessage(role=role, content=text) for role, text in texts]
    return pb.RouteRequest(chat=pb.ChatMessages(messages=messages)).SerializeToString()


def decision_problem(answer: pb.RouteResponse) -> str:
    """Empty for a decision of the router, or the reason why it is none."""
    return "" if answer.reason in DECISIONS else str(pb.Reason.Name(answer.reason))


def route_problem(answer: bytes) -> str:
    """The same of a serialized RouteResponse."""
    return decision_problem(pb.RouteResponse.FromString(answer))


def result_problem(result: pb.RouteResult) -> str:
    """The same of one query's result in a batch or stream, which may be an error: its code's name."""
    if result.HasField("error"):
        return str(code_pb2.Code.Name(result.error.code))
    return decision_problem(result.response)


def batch_problem(answer: bytes) -> str:
    """The same of all results of a serialized RouteBatchResponse: the first problem there is."""
    return next(filter(None, map(result_problem, pb.RouteBatchResponse.FromString(answer).results)), "")


def infer_problem(answer: bytes) -> str:
    """Empty where there are scores."""
    response = service_pb2.ModelInferResponse.FromString(answer)
    return "" if len(response.raw_output_contents) else NO_SCORES
