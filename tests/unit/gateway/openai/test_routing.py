"""Who answers which model, and that a router in trouble is no reason to refuse anybody."""

import json
from typing import Any

import pytest

from gateway.errors import InvalidRequestError, ScorerFailedError, ScorerOverloadedError
from gateway.openai.answers import OpenAiError
from gateway.openai.query import Api
from gateway.openai.routing import Routing
from tests.support.fake_scorer import FakeScorer
from tests.unit.gateway.conftest import endpoints_file
from tests.unit.gateway.openai.conftest import MakeRouting


def chat(model: str, text: str = "hi") -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()


async def test_virtual_model_is_routed(routing: Routing) -> None:
    routed = await routing.route(Api.CHAT, chat("auto"))
    assert [llm for llm, _ in routed.candidates] == ["beta", "alpha", "gamma"]
    assert (routed.llm, routed.model, routed.reason) == ("beta", "beta-model", "routed")
    assert routed.attempts == ("beta#1", "alpha#1", "gamma#1")
    assert routed.endpoints == ("beta.test:80",)
    assert routed.body == chat("beta-model")
    assert routed.router_ms > 0


async def test_named_llm_is_not_scored(routing: Routing, scorer: FakeScorer) -> None:
    routed = await routing.route(Api.CHAT, chat("gamma"))
    assert (routed.llm, routed.reason, routed.attempts) == ("gamma", "named", ("gamma#1", "gamma#1"))
    assert scorer.batches == []


async def test_virtual_models_are_policies(make_routing: MakeRouting) -> None:
    virtual = {"small": {"allowed": ["alpha", "gamma"]}, "cheap": {"cost_weight": 1}}
    routing = make_routing(file={"virtual_models": virtual})
    assert (await routing.route(Api.CHAT, chat("small"))).llm == "alpha"
    assert (await routing.route(Api.CHAT, chat("cheap"))).llm == "alpha"  # beta costs 10, alpha 1
    assert [model["id"] for model in json.loads(routing.models())["data"]] == [
        "small",
        "cheap",
        "alpha",
        "beta",
        "gamma",
    ]
    with pytest.raises(OpenAiError, match="there are: small, cheap, alpha, beta, gamma"):
        await routing.route(Api.CHAT, chat("auto"))


async def test_number_of_candidates_is_bounded(make_routing: MakeRouting) -> None:
    routed = await make_routing(max_candidates=2).route(Api.CHAT, chat("auto"))
    assert routed.attempts == ("beta#1", "alpha#1")


@pytest.mark.parametrize(
    "fault",
    [ScorerFailedError("x"), ScorerOverloadedError("x"), InvalidRequestError("query", "x"), RuntimeError("a defect")],
    ids=lambda fault: type(fault).__name__,
)
async def test_default_answers_where_the_router_fails(routing: Routing, scorer: FakeScorer, fault: Exception) -> None:
    scorer.faults["hi"] = fault
    routed = await routing.route(Api.CHAT, chat("auto"))
    assert (routed.llm, routed.reason) == ("alpha", "fallback")
    assert [llm for llm, _ in routed.candidates] == ["alpha", "gamma", "beta"]


async def test_default_answers_where_there_is_no_room(make_routing: MakeRouting) -> None:
    routed = await make_routing(in_flight=0).route(Api.CHAT, chat("auto"))
    assert (routed.llm, routed.reason) == ("alpha", "fallback")


async def test_virtual_model_has_its_own_default(make_routing: MakeRouting, scorer: FakeScorer) -> None:
    routing = make_routing(file={"virtual_models": {"careful": {"default": ["gamma"], "allowed": ["beta", "gamma"]}}})
    scorer.faults["hi"] = ScorerFailedError("x")
    routed = await routing.route(Api.CHAT, chat("careful"))
    assert [llm for llm, _ in routed.candidates] == ["gamma", "beta"]


async def test_request_without_text_goes_to_the_default(routing: Routing, scorer: FakeScorer) -> None:
    routed = await routing.route(Api.CHAT, chat("auto", "  \n"))
    assert (routed.llm, routed.reason, routed.detail) == ("alpha", "fallback", "there is no text to route")
    assert scorer.batches == []


async def test_end_of_a_long_text_is_routed_and_said(make_routing: MakeRouting, scorer: FakeScorer) -> None:
    routed = await make_routing(max_query_bytes=4).route(Api.CHAT, chat("auto", "aé€z"))
    assert scorer.batches == [["€z"]]
    assert routed.truncated


async def test_pool_that_is_out_of_use_is_503(make_routing: MakeRouting) -> None:
    off = {"endpoints": [{"address": "http://a.test/v1", "model": "m", "in_use": False}]}
    routing = make_routing(file={"default": ["alpha"], "llms": dict.fromkeys(("alpha", "beta", "gamma"), off)})
    for model in ("auto", "alpha"):
        with pytest.raises(OpenAiError) as caught:
            await routing.route(Api.CHAT, chat(model))
        assert caught.value.status == 503


async def test_one_model_is_described(routing: Routing) -> None:
    assert json.loads(routing.model("auto"))["owned_by"] == "routerdc"
    assert json.loads(routing.model("beta"))["owned_by"] == "pool"


async def test_chat_that_is_too_long_for_an_llm_goes_to_another(make_routing: MakeRouting) -> None:
    short = {"context_tokens": 100, "endpoints": [{"address": "http://beta.test/v1", "model": "beta-model"}]}
    file = endpoints_file()
    llms = {name: llm.model_dump(mode="json") for name, llm in file.llms.items()} | {"beta": short}
    routing = make_routing(file={"llms": llms})
    assert (await routing.route(Api.CHAT, chat("auto"))).llm == "beta"
    history = {"role": "system", "content": "x" * 1000}
    body = json.dumps({"model": "auto", "messages": [history, {"role": "user", "content": "hi"}]}).encode()
    assert (await routing.route(Api.CHAT, body)).llm == "alpha"


def test_error_body_has_openais_form() -> None:
    body: Any = json.loads(OpenAiError(404, "no", param="model", code="model_not_found").body())
    assert body == {
        "error": {"message": "no", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
    }


async def test_virtual_model_denies_limits_prices_and_abstains(make_routing: MakeRouting) -> None:
    virtual = {"safe": {"denied": ["beta"]}, "cheap": {"max_price": 1}, "sure": {"min_margin": 1, "default": ["gamma"]}}
    routing = make_routing(file={"virtual_models": virtual})
    routed = {name: await routing.route(Api.CHAT, chat(name)) for name in virtual}
    assert [llm for llm, _ in routed["safe"].candidates] == ["alpha", "gamma"]
    assert (routed["cheap"].llm, routed["cheap"].reason) == ("alpha", "only_one")
    assert (routed["sure"].llm, routed["sure"].reason) == ("gamma", "abstained")


async def test_rules_of_a_virtual_model_hold_where_the_router_fails(
    make_routing: MakeRouting, scorer: FakeScorer
) -> None:
    scorer.faults["hi"] = RuntimeError("a defect")
    routed = await make_routing(file={"virtual_models": {"safe": {"denied": ["alpha"]}}}).route(Api.CHAT, chat("safe"))
    assert [llm for llm, _ in routed.candidates] == ["gamma", "beta"]


async def test_a_query_that_no_llm_can_read_is_the_callers_mistake(make_routing: MakeRouting) -> None:
    llms = {n: llm | {"context_tokens": 1} for n, llm in endpoints_file().model_dump()["llms"].items()}
    with pytest.raises(OpenAiError, match="alpha: reads 1 tokens, these are about 2"):
        await make_routing(file={"llms": llms}).route(Api.CHAT, chat("auto"))
