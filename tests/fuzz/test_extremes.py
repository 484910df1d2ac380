"""Input that is well formed and far too much, or says the same thing twice: answered, in time, by its name."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from tritonclient.grpc import model_config_pb2

from gateway.errors import InvalidRequestError
from gateway.grpc_api.requests import checked
from gateway.openai.apis.chat import Chat
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.members import parse
from gateway.openai.bodies.reading import read
from gateway.scoring.triton import kserve
from routerdc.data.formats.rows import DataError
from routerdc.data.loading import load
from routerdc_contract.bundle import BundleError, Manifest
from routerdc_contract.v1 import router_pb2 as pb
from tests.fuzz.entrances import body, call
from tests.support.fakes.scorer import BUNDLE

LLMS = frozenset(BUNDLE.llms)
LIMIT = 1_000_000
TEN_MB = 10_000_000


@pytest.mark.parametrize("text", ["x" * TEN_MB, "😀" * (TEN_MB // 4), "\u202e" * (TEN_MB // 3)])
def test_a_prompt_of_ten_megabytes_is_refused_with_the_limit(text: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"query: .* bytes of text, the limit is {LIMIT}"):
        checked(pb.RouteRequest(query=text), LLMS, LIMIT)
    body(json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode())


@pytest.mark.parametrize("text", ["", " ", "\t\n\u3000\u00a0\u2003"])
def test_blank_queries_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="no text to route"):
        checked(pb.RouteRequest(query=text), LLMS, LIMIT)


@pytest.mark.parametrize(
    "text", ["a\0b", "e\u0301", "\u200b", "\u202eabc\u202c", "👩\u200d👩\u200d👧", "\ufeffbom", "\U0010ffff"]
)
def test_text_of_every_kind_reaches_the_scorer_as_it_was(text: str) -> None:
    assert checked(pb.RouteRequest(query=text), LLMS, LIMIT).text == text


def test_half_a_character_cannot_be_sent_by_grpc_and_is_replaced_in_json() -> None:
    with pytest.raises(UnicodeEncodeError):
        pb.RouteRequest(query="\ud800").SerializeToString()
    with pytest.raises(DecodeError):
        pb.RouteRequest.FromString(b"\x0a\x03\xed\xa0\x80")
    body = b'{"model": "auto", "messages": [{"role": "user", "content": "a\\ud800"}]}'
    assert read(Chat.path, body).ask.talk.text == "a?"


def test_a_hundred_thousand_messages_are_read_from_the_last() -> None:
    messages: list[Any] = [{"role": "user", "content": f"message {i}"} for i in range(100_000)]
    assert Chat().ask({"messages": messages}).talk.text == "message 99999"
    chat = pb.ChatMessages(messages=[pb.ChatMessage(role="user", content=m["content"]) for m in messages])
    assert checked(pb.RouteRequest(chat=chat), LLMS, LIMIT).text == "message 99999"
    call("Route", pb.RouteRequest, pb.RouteRequest(chat=chat).SerializeToString())


@pytest.mark.parametrize("field", ["cost_weight", "max_price", "min_margin", "min_confidence"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -1.0])
def test_numbers_that_are_none_are_refused(field: str, number: float) -> None:
    with pytest.raises(InvalidRequestError, match=f"{field}: must be a finite number"):
        checked(pb.RouteRequest(query="q", **{field: number}), LLMS, LIMIT)  # type: ignore[arg-type]


def test_an_llm_named_twice_is_refused_wherever_names_come_from(tmp_path: Path) -> None:
    config = model_config_pb2.ModelConfig(name="routerdc")
    config.input.add(name="query")
    for name in ("scores", "token_count", "truncated", "bundle_id"):
        config.output.add(name=name)
    config.parameters["bundle_id"].string_value = "id"
    config.parameters["llms"].string_value = '["a", "a"]'
    with pytest.raises(ValueError, match="distinct names"):
        kserve.model_info(config)
    shipped = json.loads((Path(__file__).parents[2] / "bundles/default/manifest.json").read_text(encoding="utf-8"))
    shipped["llms"][1]["name"] = shipped["llms"][0]["name"]
    (tmp_path / "manifest.json").write_text(json.dumps(shipped), encoding="utf-8")
    with pytest.raises(BundleError, match="must be unique"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("group", ["scores", "costs"])
def test_scores_and_costs_that_are_no_numbers_are_refused_with_the_row(tmp_path: Path, group: str) -> None:
    row: dict[str, Any] = {"question": "q", "scores": {"a": 1.0}, "costs": {"a": 1.0}}
    row[group] = {"a": math.inf}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(DataError, match=rf"row 1: {group}\['a'\]: inf is not a finite number"):
        load(tmp_path / "rows.jsonl")


def test_a_body_that_nests_without_end_is_the_callers_mistake() -> None:
    with pytest.raises(OpenAiError) as error:
        parse(b'{"model": "auto", "messages": ' + b"[" * 200_000)
    assert error.value.status == 400
