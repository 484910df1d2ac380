"""The overlay for Envoy Gateway in a real Envoy."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.envoy.translated import as_envoy_gateway_does
from tests.e2e.envoy_fixtures import Plane, data_plane
from tests.support.fakes.scorer import BUNDLE
from tests.support.rendered import needs_kubectl, overlay

pytestmark = needs_kubectl


def translated(config: dict[str, Any]) -> None:
    as_envoy_gateway_does(config, overlay("envoy-gateway"))


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with data_plane(tmp_path, alter=translated) as plane:
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
