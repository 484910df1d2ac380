"""Tensors of every shape, type and content for Triton's model `routerdc`, in a real Triton."""

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from deploy.local.triton.server import TritonServer
from routerdc_contract import tensors
from tests.fuzz.entrances import HANGS_AFTER_SECONDS, OUR_FAULT, Entrance, OurFaultError
from tests.fuzz.texts import damaged, texts

_DATATYPES = ["BYTES", "BYTES", "BYTES", "INT32", "FP32", "BOOL", "UINT8", "NONSENSE", ""]
_INFER = "/inference.GRPCInferenceService/ModelInfer"


def _element(content: bytes, length: int | None) -> bytes:
    """As KServe has it: length, then content; or another length than it has."""
    return (len(content) if length is None else length).to_bytes(4, "little") + content


_content = st.one_of(texts.map(lambda text: text.encode(errors="surrogatepass")), st.binary(max_size=60))
_elements = st.lists(st.builds(_element, _content, st.none() | st.integers(0, 2**32 - 1)), max_size=4).map(b"".join)


def _request(datatype: str, shape: list[int], raw: list[bytes], outputs: list[str], name: str, model: str) -> bytes:
    request = service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name=name, datatype=datatype, shape=shape)
    for output in outputs:
        request.outputs.add(name=output)
    request.raw_input_contents.extend(raw)
    return bytes(request.SerializeToString())


_outputs = st.lists(st.sampled_from([tensors.SCORES, tensors.CHOICE, tensors.EMBEDDING, "nothing"]), max_size=4)
_shape = st.one_of(st.just([1, 1]), st.just([2, 1]), st.lists(st.integers(-2, 70), max_size=4), st.just([2**40, 1]))
requests = damaged(
    st.builds(
        _request,
        st.sampled_from(_DATATYPES),
        _shape,
        st.lists(_elements, min_size=0, max_size=2),
        _outputs,
        st.sampled_from([tensors.QUERY] * 4 + ["other", ""]),
        st.sampled_from([tensors.ROUTER_MODEL] * 6 + ["other", ""]),
    )
)


def entrance(server: TritonServer) -> Entrance:
    """Of a running Triton; it must be ready after every request."""
    channel = grpc.insecure_channel(server.grpc_address)
    infer: Any = channel.unary_unary(_INFER)

    def check(data: bytes) -> None:
        code = grpc.StatusCode.OK
        try:
            infer(data, timeout=HANGS_AFTER_SECONDS)
        except grpc.RpcError as error:
            code = error.code()
        if code in OUR_FAULT | {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE} and _parses(data):
            raise OurFaultError(f"ModelInfer: {code}")
        if not server.process.running:
            raise OurFaultError("Triton ended")

    return Entrance("KServe tensors (a real Triton)", check, requests)


def _parses(data: bytes) -> bool:
    try:
        service_pb2.ModelInferRequest.FromString(data)
    except DecodeError:
        return False
    return True
