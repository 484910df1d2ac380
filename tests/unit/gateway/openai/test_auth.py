"""API keys of OpenAI clients: who may ask, for what, how often; and sessions."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.config.api_keys_file import ApiKeysFile
from gateway.limits.caller import Callers
from gateway.openai.apis.chat import Chat
from gateway.openai.auth import NOBODY, Sender, Senders
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.routing import Routing
from tests.support.fakes.scorer import FakeScorer
from tests.unit.gateway.openai.conftest import MakeRouting
from tests.unit.gateway.openai.test_exchange import BODY, MODE, answers, body, headers, refusal
from tests.unit.gateway.openai.test_routing import chat

KeyedRouting = Callable[..., Routing]


@pytest.fixture
def keyed(make_routing: MakeRouting) -> KeyedRouting:
    """`keyed(any field of the API key "sk-team")`."""

    def make(**fields: Any) -> Routing:
        routing = make_routing()
        key = {"name": "team", "sha256": hashlib.sha256(b"sk-team").hexdigest()} | fields
        routing.senders = Senders(Callers(ApiKeysFile.model_validate({"keys": [key]}), routing.metrics.caller))
        return routing

    return make


def sender(routing: Routing, session_id: str = "") -> Sender:
    return routing.senders.identify({"authorization": "Bearer sk-team", "x-routerdc-session": session_id})


async def test_known_key_is_routed(keyed: KeyedRouting) -> None:
    responses = await answers(keyed(), headers(authorization="Bearer sk-team"), body(BODY))
    assert responses[-1].dynamic_metadata["routerdc"]["llm"] == "beta"


@pytest.mark.parametrize("more", [{}, {"authorization": "Bearer sk-other"}, {"authorization": "sk-team"}])
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/chat/completions"), ("GET", "/v1/models")])
async def test_missing_and_unknown_keys_are_401_before_any_body(
    keyed: KeyedRouting, method: str, path: str, more: dict[str, str]
) -> None:
    responses = await answers(keyed(), headers(method, path, MODE.BUFFERED, ends=False, **more))
    assert refusal(responses)[0] == 401
    assert json.loads(responses[0].immediate_response.body)["error"]["code"] == "invalid_api_key"


async def test_rules_of_the_key_hold_beside_those_of_the_virtual_model(keyed: KeyedRouting, scorer: FakeScorer) -> None:
    routing = keyed(denied=["beta"])
    assert (await routing.route(Chat(), chat("auto"), sender(routing))).llm == "alpha"
    scorer.faults["hi"] = RuntimeError("a defect")
    assert "beta" not in [llm for llm, _ in (await routing.route(Chat(), chat("auto"), sender(routing))).candidates]


async def test_llm_that_the_key_may_not_have_is_403(keyed: KeyedRouting) -> None:
    routing = keyed(allowed=["alpha"])
    assert (await routing.route(Chat(), chat("alpha"), sender(routing))).llm == "alpha"
    with pytest.raises(OpenAiError, match="beta") as caught:
        await routing.route(Chat(), chat("beta"), sender(routing))
    assert (caught.value.status, caught.value.code) == (403, "model_not_allowed")


async def test_too_many_requests_are_429_that_says_when_to_come_back(keyed: KeyedRouting) -> None:
    routing = keyed(queries_per_second=0.5, burst=1)
    asked = [headers(authorization="Bearer sk-team"), body(BODY)]
    assert (await answers(routing, *asked))[-1].HasField("request_body")
    refused = (await answers(routing, *asked))[-1].immediate_response
    assert refused.status.code == 429
    told = {option.header.key: option.header.raw_value for option in refused.headers.set_headers}
    assert told["retry-after"] == b"2"
    count = routing.metrics.registry.get_sample_value
    assert count("routerdc_openai_refused_total", {"status": "429"}) == 1


async def test_session_keeps_its_llm(make_routing: MakeRouting, scorer: FakeScorer) -> None:
    routing = make_routing()
    scorer.values |= {"first": (0.5, 0.9, 0.1), "second": (0.9, 0.9, 0.1)}
    session = Sender(session_id="s")
    assert (await routing.route(Chat(), chat("auto", "first"), session)).llm == "beta"
    assert (await routing.route(Chat(), chat("auto", "second"), session)).llm == "beta"
    assert (await routing.route(Chat(), chat("auto", "second"), NOBODY)).llm == "alpha"


def test_without_keys_anybody_may_send(routing: Routing) -> None:
    assert routing.senders.identify({}) == NOBODY
