"""The overlay for Envoy Gateway in a real Envoy: its objects, translated as Envoy Gateway's translator does.

What is translated are header matches and filters, the direct response, external processing (enabled route by route),
buffer limits and header removal before anything else; names and addresses of LLMs are this test's own.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.envoy_fixtures import Plane, data_plane
from tests.support.fakes.scorer import BUNDLE
from tests.support.rendered import Object, named, needs_kubectl, overlay

pytestmark = needs_kubectl
EXT_PROC = "envoy.filters.http.ext_proc"
TYPE = "type.googleapis.com/envoy"


def spec(kind: str, name: str = "routerdc") -> Object:
    found: Object = named(overlay("envoy-gateway"), kind, name)["spec"]
    return found


def as_envoy_gateway_does(config: dict[str, Any]) -> None:
    resources = config["static_resources"]
    listener = resources["listeners"][0]
    clients = spec("ClientTrafficPolicy")
    listener["per_connection_buffer_limit_bytes"] = clients["connection"]["bufferLimit"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    removals = [{"remove": name} for name in clients["headers"]["earlyRequestHeaders"]["remove"]]
    manager["early_header_mutation_extensions"] = [
        {
            "name": "early",
            "typed_config": {
                "@type": f"{TYPE}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                "mutations": removals,
            },
        }
    ]
    external, *_, router = manager["http_filters"]  # between them our own
    manager["http_filters"] = [external_processing(external), router]
    manager["route_config"]["virtual_hosts"] = [{"name": "openai", "domains": ["*"], "routes": list(routes())}]
    for cluster in resources["clusters"]:
        if cluster["name"] != "gateway":
            del cluster["typed_extension_protocol_options"]  # our own filters


def external_processing(ours: dict[str, Any]) -> dict[str, Any]:
    (policy,) = spec("EnvoyExtensionPolicy")["extProc"]
    assert policy["processingMode"] == {"request": {"body": "Buffered"}}
    typed = {
        "@type": ours["typed_config"]["@type"],
        "grpc_service": ours["typed_config"]["grpc_service"],
        "failure_mode_allow": policy["failOpen"],
        "message_timeout": policy["messageTimeout"],
        "processing_mode": {
            "request_header_mode": "SEND",
            "request_body_mode": "BUFFERED",
            "request_trailer_mode": "SKIP",
            "response_header_mode": "SKIP",
            "response_body_mode": "NONE",
            "response_trailer_mode": "SKIP",
        },
        "metadata_options": {"receiving_namespaces": {"untyped": policy["metadata"]["writableNamespaces"]}},
    }
    return {"name": EXT_PROC, "disabled": True, "typed_config": typed}


def routes() -> Any:
    """Ours, in their order; the first LLM's rule for each LLM of this test."""
    rule, last = spec("HTTPRoute", "openai")["rules"][0], spec("HTTPRoute", "openai")["rules"][-1]
    enabled = {EXT_PROC: {"@type": f"{TYPE}.config.route.v3.FilterConfig", "config": {}}}
    (matched,) = rule["matches"][0]["headers"]
    requests, responses = rule["filters"]
    for llm in BUNDLE.llms:
        header = {"name": matched["name"], "string_match": {"exact": llm}}
        yield {
            "match": {"prefix": "/", "headers": [header]},
            "route": {"cluster": f"{llm}#1", "timeout": rule["timeouts"]["request"]},
            "request_headers_to_remove": requests["requestHeaderModifier"]["remove"],
            "response_headers_to_remove": responses["responseHeaderModifier"]["remove"],
            "response_headers_to_add": [
                {"header": {"key": one["name"], "value": llm}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
                for one in responses["responseHeaderModifier"]["set"]
            ],
            "typed_per_filter_config": enabled,
        }
    answer = spec("HTTPRouteFilter", last["filters"][0]["extensionRef"]["name"])["directResponse"]
    direct = {"status": answer["statusCode"], "body": {"inline_string": answer["body"]["inline"]}}
    yield {"match": {"prefix": "/"}, "direct_response": direct, "typed_per_filter_config": enabled}


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with data_plane(tmp_path, alter=as_envoy_gateway_does) as plane:
        plane.reset()
        yield plane


async def ask(plane: Plane, query: str, model: str = "auto", **headers: str) -> Any:
    message: Any = {"role": "user", "content": query}
    return await plane.client.chat.completions.with_raw_response.create(
        model=model, messages=[message], extra_headers=headers
    )


async def test_the_chosen_llm_answers_under_its_own_name_and_never_sees_the_callers_key(plane: Plane) -> None:
    for number, llm in enumerate(("gamma", "alpha", "beta", "alpha")):
        plane.prefer(f"query {number}", llm, *({"alpha", "beta", "gamma"} - {llm}))
        raw = await ask(plane, f"query {number}")
        assert raw.parse().model == raw.headers["x-routerdc-llm"] == llm
        received = plane.llms[llm].received[-1]
        assert f'"model":"{llm}/model"' in received.body.decode().replace(" ", "")
        names = {name.lower() for name in received.headers}
        assert not {"authorization", "x-routerdc-llm", "x-gateway-model-name"} & names


async def test_nobody_chooses_past_the_gateway(plane: Plane) -> None:
    plane.prefer("query", "beta", "alpha", "gamma")
    raw = await ask(plane, "query", **{"x-routerdc-llm": "alpha", "x-gateway-model-name": "alpha/model"})
    assert raw.headers["x-routerdc-llm"] == "beta"
    assert plane.llms["alpha"].received == []


async def test_a_named_llm_answers(plane: Plane) -> None:
    raw = await ask(plane, "query", model="gamma")
    assert raw.headers["x-routerdc-llm"] == "gamma"


async def test_what_the_gateway_answers_itself_needs_no_llm(plane: Plane) -> None:
    assert {model.id for model in (await plane.client.models.list()).data} == {"auto", *BUNDLE.llms}
    with pytest.raises(openai.NotFoundError, match="gpt-0"):
        await ask(plane, "query", model="gpt-0")


async def test_what_is_not_routed_is_404_in_openais_form(plane: Plane) -> None:
    with pytest.raises(openai.NotFoundError, match="there is POST /v1/chat/completions"):
        await plane.client.embeddings.create(model="auto", input="text")


async def test_a_long_body_is_routed_as_a_whole(plane: Plane) -> None:
    text = "long " * 1_000_000
    plane.prefer(text[-(2**20) :], "beta", "alpha", "gamma")
    raw = await ask(plane, text)
    assert raw.headers["x-routerdc-llm"] == "beta"
    assert len(plane.llms["beta"].received[-1].body) > 5_000_000


async def test_without_a_gateway_nothing_goes_on_undecided(plane: Plane) -> None:
    await plane.gateway.stop(None)
    with pytest.raises(openai.InternalServerError):
        await ask(plane, "query")
    assert all(llm.received == [] for llm in plane.llms.values())
