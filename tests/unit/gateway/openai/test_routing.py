"""Who answers which model, and that a router in trouble is no reason to refuse anybody."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.errors import InvalidRequestError, ScorerFailedError, ScorerOverloadedError
from gateway.openai.apis.chat import Chat
from gateway.openai.apis.messages import Messages
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.routing import Routing
from tests.support.fakes.scorer import FakeScorer
from tests.unit.gateway.conftest import endpoints_file
from tests.unit.gateway.openai.conftest import MakeRouting


def chat(model: str, text: str = "hi") -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()


def llms_of(clusters: Sequence[str]) -> list[str]:
    return [cluster.partition("#")[0] for cluster in clusters]


async def test_virtual_model_is_routed(routing: Routing) -> None:
    routed = await routing.route(Chat(), chat("auto"))
    assert [llm for llm, _ in routed.candidates] == ["beta", "alpha", "gamma"]
    assert (routed.llm, routed.model, routed.reason) == ("beta", "beta-model", "routed")
    assert llms_of(routed.attempts) == ["beta", "alpha", "gamma"]
    assert routed.endpoints == ("beta.test:80",)
    assert routed.body == chat("beta-model")
    assert routed.router_ms > 0


async def test_named_llm_is_not_scored(routing: Routing, scorer: FakeScorer) -> None:
    routed = await routing.route(Chat(), chat("gamma"))
    assert (routed.llm, routed.reason, llms_of(routed.attempts)) == ("gamma", "named", ["gamma", "gamma"])
    assert scorer.batches == []


async def test_virtual_models_are_policies(make_routing: MakeRouting) -> None:
    virtual = {"small": {"allowed": ["alpha", "gamma"]}, "cheap": {"cost_weight": 1}}
    routing = make_routing(file={"virtual_models": virtual})
    assert (await routing.route(Chat(), chat("small"))).llm == "alpha"
    assert (await routing.route(Chat(), chat("cheap"))).llm == "alpha"  # beta costs 10, alpha 1
    assert [model["id"] for model in json.loads(routing.models())["data"]] == [
        "small",
        "cheap",
        "alpha",
        "beta",
        "gamma",
    ]
    with pytest.raises(OpenAiError, match="there are: small, cheap, alpha, beta, gamma"):
        await routing.route(Chat(), chat("auto"))


async def test_number_of_candidates_is_bounded(make_routing: MakeRouting) -> None:
    routed = await make_routing(openai_candidates=2).route(Chat(), chat("auto"))
    assert llms_of(routed.attempts) == ["beta", "alpha"]


@pytest.mark.parametrize(
    "fault",
    [ScorerFailedError("x"), ScorerOverloadedError("x"), InvalidRequestError("query", "x"), RuntimeError("a defect")],
    ids=lambda fault: type(fault).__name__,
)
async def test_default_answers_where_the_router_fails(routing: Routing, scorer: FakeScorer, fault: Exception) -> None:
    scorer.faults["hi"] = fault
    routed = await routing.route(Chat(), chat("auto"))
    assert (routed.llm, routed.reason) == ("alpha", "fallback")
    assert [llm for llm, _ in routed.candidates] == ["alpha", "gamma", "beta"]


async def test_default_answers_where_there_is_no_room(make_routing: MakeRouting) -> None:
    routed = await make_routing(in_flight=0).route(Chat(), chat("auto"))
    assert (routed.llm, routed.reason) == ("alpha", "fallback")


async def test_virtual_model_has_its_own_default(make_routing: MakeRouting, scorer: FakeScorer) -> None:
    routing = make_routing(file={"virtual_models": {"careful": {"default": ["gamma"], "allowed": ["beta", "gamma"]}}})
    scorer.faults["hi"] = ScorerFailedError("x")
    routed = await routing.route(Chat(), chat("careful"))
    assert [llm for llm, _ in routed.candidates] == ["gamma", "beta"]


async def test_request_without_text_goes_to_the_default(routing: Routing, scorer: FakeScorer) -> None:
    routed = await routing.route(Chat(), chat("auto", "  \n"))
    assert (routed.llm, routed.reason, routed.detail) == ("alpha", "fallback", "there is no text to route")
    assert scorer.batches == []


async def test_both_ends_of_a_long_text_are_routed_which_is_said(make_routing: MakeRouting, scorer: FakeScorer) -> None:
    routed = await make_routing(max_query_bytes=4).route(Chat(), chat("auto", "aé€z"))
    assert scorer.batches == [["az"]]
    assert routed.truncated


async def test_pool_that_is_out_of_use_is_503(make_routing: MakeRouting) -> None:
    off = {"endpoints": [{"address": "http://a.test/v1", "model": "m", "in_use": False}]}
    routing = make_routing(file={"default": ["alpha"], "llms": dict.fromkeys(("alpha", "beta", "gamma"), off)})
    for model in ("auto", "alpha"):
        with pytest.raises(OpenAiError) as caught:
            await routing.route(Chat(), chat(model))
        assert caught.value.status == 503


async def test_one_model_is_described(routing: Routing) -> None:
    assert json.loads(routing.model("auto"))["owned_by"] == "routerdc"
    assert json.loads(routing.model("beta"))["owned_by"] == "pool"


async def test_chat_that_is_too_long_for_an_llm_goes_to_another(make_routing: MakeRouting) -> None:
    short = {"context_tokens": 100, "endpoints": [{"address": "http://beta.test/v1", "model": "beta-model"}]}
    file = endpoints_file()
    llms = {name: llm.model_dump(mode="json") for name, llm in file.llms.items()} | {"beta": short}
    routing = make_routing(file={"llms": llms})
    assert (await routing.route(Chat(), chat("auto"))).llm == "beta"
    history = {"role": "system", "content": "x" * 1000}
    body = json.dumps({"model": "auto", "messages": [history, {"role": "user", "content": "hi"}]}).encode()
    assert (await routing.route(Chat(), body)).llm == "alpha"


def test_error_body_has_openais_form() -> None:
    body: Any = json.loads(OpenAiError(404, "no", param="model", code="model_not_found").body())
    assert body == {
        "error": {"message": "no", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
    }


async def test_virtual_model_denies_limits_prices_and_abstains(make_routing: MakeRouting) -> None:
    virtual = {"safe": {"denied": ["beta"]}, "cheap": {"max_price": 1}, "sure": {"min_margin": 1, "default": ["gamma"]}}
    routing = make_routing(file={"virtual_models": virtual})
    routed = {name: await routing.route(Chat(), chat(name)) for name in virtual}
    assert [llm for llm, _ in routed["safe"].candidates] == ["alpha", "gamma"]
    assert (routed["cheap"].llm, routed["cheap"].reason) == ("alpha", "only_one")
    assert (routed["sure"].llm, routed["sure"].reason) == ("gamma", "abstained")


async def test_rules_of_a_virtual_model_hold_where_the_router_fails(
    make_routing: MakeRouting, scorer: FakeScorer
) -> None:
    scorer.faults["hi"] = RuntimeError("a defect")
    routed = await make_routing(file={"virtual_models": {"safe": {"denied": ["alpha"]}}}).route(Chat(), chat("safe"))
    assert [llm for llm, _ in routed.candidates] == ["gamma", "beta"]


async def test_a_query_that_no_llm_can_read_is_the_callers_mistake(make_routing: MakeRouting) -> None:
    llms = {n: llm | {"context_tokens": 1} for n, llm in endpoints_file().model_dump()["llms"].items()}
    with pytest.raises(OpenAiError, match="messages: prompt is too long: about 2 tokens > 1 maximum") as caught:
        await make_routing(file={"llms": llms}).route(Chat(), chat("auto"))
    error = caught.value
    assert (error.status, error.code, error.param) == (400, "context_length_exceeded", "messages")


@pytest.mark.parametrize(
    "fields",
    [{}, {"messages": []}, {"messages": "odd"}, {"messages": [3]}, {"messages": [{"role": "user", "content": 3}]}],
    ids=str,
)
async def test_a_named_llm_judges_its_messages_itself(routing: Routing, fields: dict[str, Any]) -> None:
    body = json.dumps({"model": "gamma", **fields}).encode()
    routed = await routing.route(Chat(), body)
    assert (routed.llm, json.loads(routed.body)) == ("gamma", {"model": "gamma-model", **fields})
    with pytest.raises(OpenAiError, match="messages"):
        await routing.route(Chat(), json.dumps({"model": "auto", **fields}).encode())


async def test_system_message_alone_goes_to_the_default(routing: Routing) -> None:
    body = json.dumps({"model": "auto", "messages": [{"role": "system", "content": "be brief"}]}).encode()
    routed = await routing.route(Chat(), body)
    assert (routed.llm, routed.reason) == ("alpha", "fallback")


async def test_long_model_name_is_not_echoed(routing: Routing) -> None:
    with pytest.raises(OpenAiError) as caught:
        await routing.route(Chat(), chat("x" * 100_000))
    assert len(caught.value.message) < 300


def pool(**changes: dict[str, Any]) -> dict[str, Any]:
    """Fields of endpoints.yaml in which the LLMs differ by `changes`."""
    llms = endpoints_file().model_dump(mode="json")["llms"]
    return {"llms": {name: llm | changes.get(name, {}) for name, llm in llms.items()}}


HI = [{"role": "user", "content": "hi"}]
IMAGE = [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}]}]


def image(model: str, **more: Any) -> bytes:
    return json.dumps({"model": model, "messages": IMAGE, **more}).encode()


async def test_request_reaches_only_llms_that_can_do_what_it_needs(make_routing: MakeRouting) -> None:
    routing = make_routing(file=pool(beta={"capabilities": ["tools"]}, gamma={"capabilities": ["vision"]}))
    assert (await routing.route(Chat(), chat("auto"))).llm == "beta"
    routed = await routing.route(Chat(), image("auto"))
    assert [llm for llm, _ in routed.candidates] == ["alpha", "gamma"]
    assert llms_of((await routing.route(Chat(), image("auto", tools=[{}]))).attempts) == ["alpha", "alpha"]


async def test_default_and_named_llm_must_be_able_too(make_routing: MakeRouting, scorer: FakeScorer) -> None:
    scorer.faults["hi"] = RuntimeError("a defect")
    routing = make_routing(file=pool(alpha={"capabilities": []}))
    assert "alpha" not in [llm for llm, _ in (await routing.route(Chat(), image("auto"))).candidates]
    with pytest.raises(OpenAiError, match=r"messages\[0\].content\[1\]: needs 'vision'") as caught:
        await routing.route(Chat(), image("alpha"))
    assert caught.value.param == "messages[0].content[1]"


async def test_what_no_llm_can_do_is_400_that_names_the_field(make_routing: MakeRouting) -> None:
    blind = {"capabilities": ["tools", "json_schema"]}
    routing = make_routing(file=pool(alpha=blind, beta=blind, gamma={"capabilities": ["vision"]}))
    with pytest.raises(OpenAiError) as caught:
        await routing.route(Chat(), image("auto", tools=[{}]))
    assert (caught.value.status, caught.value.code) == (400, "capability_not_supported")
    assert "messages[0].content[1] needs 'vision' and tools needs 'tools'" in caught.value.message
    audio = json.dumps({"model": "auto", "messages": IMAGE, "modalities": ["audio"]}).encode()
    with pytest.raises(OpenAiError, match=r"modalities: needs 'audio'.*alpha, beta, gamma"):
        await routing.route(Chat(), audio)
    wants_json = {"response_format": {"type": "json_object"}}  # which who keeps to schemas can, too
    body = json.dumps({"model": "auto", "messages": HI, **wants_json})
    assert (await routing.route(Chat(), body.encode())).llm == "beta"


async def test_anthropics_api_goes_to_llms_that_speak_it(make_routing: MakeRouting) -> None:
    routing = make_routing(file=pool(alpha={"protocols": ["anthropic"]}, gamma={"protocols": ["openai", "anthropic"]}))
    routed = await routing.route(Messages(), chat("auto"))
    assert [llm for llm, _ in routed.candidates] == ["alpha", "gamma"]
    assert [llm for llm, _ in (await routing.route(Chat(), chat("auto"))).candidates] == ["beta", "gamma"]
    with pytest.raises(OpenAiError, match="model: beta: served by no endpoint that speaks the anthropic protocol"):
        await routing.route(Messages(), chat("beta"))


async def test_parameters_are_merged_and_taken_out_again_for_the_next(make_routing: MakeRouting) -> None:
    routing = make_routing(file=pool(beta={"parameters": {"reasoning_effort": "high", "seed": 1}}))
    body = json.dumps({"model": "auto", "seed": 7, "messages": [{"role": "user", "content": "hi"}]}).encode()
    routed = await routing.route(Chat(), body)
    sent = json.loads(routed.body)
    assert (sent["model"], sent["reasoning_effort"], sent["seed"]) == ("beta-model", "high", 1)
    retried = routed.body
    for edit in reversed(routed.edits[routed.attempts[1]]):
        retried = retried[: edit.start] + edit.text + retried[edit.end :]
    assert retried == body.replace(b"auto", b"alpha-model")
