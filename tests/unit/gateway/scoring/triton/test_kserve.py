import math
import struct
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2, service_pb2

from gateway.scoring.triton import kserve
from routerdc_contract import tensors


def config(llms: str = '["a", "b"]', bundle_id: str = "id", calibration: str = "") -> object:
    made = model_config_pb2.ModelConfig(name="routerdc")
    made.input.add(name="query")
    for name in ("scores", "token_count", "truncated", "bundle_id"):
        made.output.add(name=name)
    made.parameters["llms"].string_value = llms
    made.parameters["bundle_id"].string_value = bundle_id
    made.parameters["calibration"].string_value = calibration
    return made


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_every_text_travels_as_its_length_and_its_utf8(queries: list[str]) -> None:
    request = service_pb2.ModelInferRequest.FromString(kserve.infer_request(queries))
    raw, read = request.raw_input_contents[0], list[str]()
    while raw:
        (length,) = struct.unpack_from("<I", raw)
        read.append(raw[4 : 4 + length].decode())
        raw = raw[4 + length :]
    assert read == queries
    assert request.inputs[0].shape == [len(queries), 1]


def test_bundle_and_names_are_read_in_score_order_and_no_batching_means_one() -> None:
    info = kserve.model_info(config('["b", "a"]'))
    assert (info.bundle.bundle_id, info.bundle.llms, info.max_batch) == ("id", ("b", "a"), 1)


@pytest.mark.parametrize("llms", ["", "[", "{}", "[1]", '["a", "a"]', "[]"])
def test_malformed_names_are_refused(llms: str) -> None:
    with pytest.raises(ValueError, match=r"llms|parameters"):
        kserve.model_info(config(llms))


def test_calibration_is_read_in_score_order_and_may_be_missing() -> None:
    assert kserve.model_info(config(calibration="[[1, -0.5], null]")).bundle.calibration == ((1.0, -0.5), None)
    assert kserve.model_info(config()).bundle.calibration == ()


@pytest.mark.parametrize(
    "text", ["[", "null", "[[1, 2]]", "[[1], null]", "[0, null]", "[[1, NaN], null]", '["ab", null]']
)
def test_malformed_calibration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="calibration"):
        kserve.model_info(config(calibration=text))


def test_an_empty_bundle_id_is_refused() -> None:
    with pytest.raises(ValueError, match="bundle_id"):
        kserve.model_info(config(bundle_id=""))


def test_another_number_of_rows_than_queries_is_refused() -> None:
    response = service_pb2.ModelInferResponse()
    raw = {
        "scores": struct.pack("<2f", 1, 2),
        "token_count": struct.pack("<i", 3),
        "truncated": b"\0",
        "bundle_id": b"",
    }
    for name, content in raw.items():
        response.outputs.add(name=name)
        response.raw_output_contents.append(content)
    with pytest.raises(ValueError, match=r"zip|rows"):
        kserve.rows(response, ["q"])


@pytest.mark.parametrize("name", [tensors.SCORES, tensors.TOKEN_COUNT, tensors.BUNDLE_ID])
def test_an_output_that_is_cut_off_is_refused(name: str) -> None:
    whole = {
        tensors.SCORES: b"\x00" * 4,
        tensors.TOKEN_COUNT: b"\x01\x00\x00\x00",
        tensors.TRUNCATED: b"\x00",
        tensors.BUNDLE_ID: b"\x02\x00\x00\x00ab",
    }
    for cut in range(1, len(whole[name])):
        response = service_pb2.ModelInferResponse()
        for output, raw in (whole | {name: whole[name][:cut]}).items():
            response.outputs.add(name=output)
            response.raw_output_contents.append(raw)
        with pytest.raises(ValueError, match=f"{name} |rows for|argument"):
            kserve.rows(response, ["q"])


def asked_for(request: bytes) -> list[str]:
    return [output.name for output in service_pb2.ModelInferRequest.FromString(request).outputs]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_finite_number_is_refused(score: float) -> None:
    response = service_pb2.ModelInferResponse()
    response.outputs.add(name=tensors.SCORES)
    response.raw_output_contents.append(struct.pack("<4f", 0.5, score, -score, 3e38))
    for output in (tensors.TOKEN_COUNT, tensors.TRUNCATED, tensors.BUNDLE_ID):
        response.outputs.add(name=output)
        response.raw_output_contents.append(b"")
    with pytest.raises(ValueError, match="finite"):
        kserve.rows(response, ["q"])


def test_familiarity_is_asked_for_where_the_model_has_it_and_none_where_the_bundle_does_not_know_it() -> None:
    made: Any = config()
    assert kserve.model_info(made).scores_outputs == kserve.SCORES_OUTPUTS
    made.output.add(name=tensors.FAMILIARITY)
    assert kserve.model_info(made).scores_outputs == (*kserve.SCORES_OUTPUTS, tensors.FAMILIARITY)
    response = service_pb2.ModelInferResponse()
    for output, raw in {
        tensors.SCORES: struct.pack("<2f", 0.5, 0.25),
        tensors.TOKEN_COUNT: struct.pack("<2I", 3, 4),
        tensors.TRUNCATED: b"\x00\x01",
        tensors.FAMILIARITY: struct.pack("<2f", 0.75, math.nan),
        tensors.BUNDLE_ID: b"\x01\x00\x00\x00b" * 2,
    }.items():
        response.outputs.add(name=output)
        response.raw_output_contents.append(raw)
    assert [row.familiarity for row in kserve.rows(response, ["q", "r"])] == [0.75, None]
    del response.outputs[3], response.raw_output_contents[3]
    assert [row.familiarity for row in kserve.rows(response, ["q", "r"])] == [None, None]


def nearest(**changes: bytes) -> object:
    response = service_pb2.ModelInferResponse()
    text = '[{"query": "ü", "similarity": 0.5, "grades": {"a": 1.0}}]'.encode()
    outputs = {tensors.NEIGHBOURS: text, tensors.BUNDLE_ID: b"id"} | changes
    for output, element in outputs.items():
        response.outputs.add(name=output)
        response.raw_output_contents.append(struct.pack("<I", len(element)) + element)
    return response


def test_neighbours_are_asked_for_alone_and_read_with_their_bundle() -> None:
    made: Any = config()
    made.output.add(name=tensors.NEIGHBOURS)
    request = kserve.infer_request(["q"], kserve.model_info(made).neighbours_outputs)
    assert asked_for(request) == [tensors.NEIGHBOURS, tensors.BUNDLE_ID]
    assert kserve.neighbours(nearest(), "q") == ("id", (("ü", 0.5, {"a": 1.0}),))


@pytest.mark.parametrize("text", [b"", b"{", b"3", b"[3]", b'[{"query": "q"}]', b"\xff"])
def test_neighbours_that_are_not_the_contracts_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="neighbours"):
        kserve.neighbours(nearest(neighbours=text), "q")


def test_the_configuration_says_whether_a_bundle_holds_neighbours() -> None:
    made: Any = config()
    assert not kserve.model_info(made).neighbours_outputs
    made.output.add(name=tensors.NEIGHBOURS)
    assert kserve.model_info(made).neighbours_outputs


def test_an_answer_to_another_query_is_refused_where_the_model_says_which_one_it_answers() -> None:
    made: Any = config()
    made.output.add(name=tensors.NEIGHBOURS)
    made.output.add(name=tensors.QUERY_CRC32)
    info = kserve.model_info(made)
    assert tensors.QUERY_CRC32 in info.scores_outputs
    assert tensors.QUERY_CRC32 in info.neighbours_outputs
    response: Any = nearest()
    response.outputs.add(name=tensors.QUERY_CRC32)
    response.raw_output_contents.append(struct.pack("<I", crc32("ü".encode())))
    assert kserve.neighbours(response, "ü").bundle_id == "id"
    with pytest.raises(ValueError, match="belongs to another query"):
        kserve.neighbours(response, "u")
