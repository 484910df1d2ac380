"""The table of failures, through a real Envoy: what is tried again where, and who is left alone for how long."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.demo.endpoints import DemoEndpoint
from gateway.envoy_config.parts.failures import KEY_FAULTS, MAX_REFUSALS, MISPLACED, RETRIED, TRANSIENT
from tests.e2e.envoy_fixtures import Plane, RecordingEndpoint, data_plane
from tests.support.series.envoy import ENVOY_SERIES

pytestmark = pytest.mark.asyncio(loop_scope="module")
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest_asyncio.fixture(loop_scope="module")
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """One of its own for each test, on one thread: what rests is remembered by Envoy's threads."""
    async with data_plane(tmp_path, default=["alpha", "beta", "gamma"], threads=1) as plane:
        plane.prefer("hello", "alpha", "beta", "gamma")
        yield plane


async def ask(plane: Plane, model: str = "auto") -> tuple[int, str | None, dict[str, Any], Any]:
    answer = await plane.client._client.post(
        f"{plane.envoy.base_url}/chat/completions", json={"model": model, "messages": HELLO}
    )
    assert "x-routerdc-retry" not in answer.headers
    return answer.status_code, answer.headers.get("x-routerdc-llm"), dict(answer.headers), answer.json()


def asked(plane: Plane) -> list[int]:
    return [len(llm.received) for llm in plane.llms.values()]


async def test_every_failure_has_the_next_candidate_asked(plane: Plane) -> None:
    for status in (*TRANSIENT, *MISPLACED):
        plane.llms["alpha"].behave(status=status)
        assert (await ask(plane))[:2] == (200, "beta"), status
        plane.llms["alpha"].behave()
        assert (await ask(plane))[:2] == (200, "alpha"), status
    failures = len(RETRIED) - len(KEY_FAULTS)
    assert asked(plane) == [2 * failures, failures, 0]


async def test_metrics_tell_which_llm_answers_what_when_the_next_is_asked(plane: Plane) -> None:
    plane.llms["alpha"].behave(status=401)
    assert (await ask(plane))[:2] == (200, "beta")
    page = await plane.client._client.get(f"http://{plane.envoy.admin_address}/stats/prometheus")
    samples = [sample for family in text_string_to_metric_families(page.text) for sample in family.samples]
    for name, labels in ENVOY_SERIES.items():
        told = [sample for sample in samples if sample.name.removesuffix("_total") == name]
        assert f"{name}{{" in page.text, "the parser's suffix for counters is not Envoy's"
        assert all(sample.labels.keys() == labels for sample in told)
        assert [
            (s.labels["envoy_cluster_name"].split("#")[0], s.labels["envoy_response_code"], s.value) for s in told
        ] == [("alpha", "401", 1)]


async def test_faults_of_a_request_are_its_own(plane: Plane) -> None:
    for status in (400, 413, 422):
        plane.llms["alpha"].behave(status=status)
        assert (await ask(plane))[0] == status
    assert asked(plane) == [3, 0, 0]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("told", ["60", formatdate(time() + 3600, usegmt=True)], ids=["seconds", "date"])
async def test_endpoint_is_left_alone_for_as_long_as_it_asks(plane: Plane, status: int, told: str) -> None:
    plane.llms["alpha"].behave(status=status, retry_after=told)
    answers = [(await ask(plane))[:2] for _ in range(5)]
    assert answers == [(200, "beta")] * 5
    assert asked(plane) == [1, 5, 0]
    assert json.loads(plane.llms["beta"].received[-1].body)["model"] == "beta/model"


async def test_endpoint_is_asked_again_when_its_time_is_over(plane: Plane) -> None:
    plane.llms["alpha"].behave(status=429, retry_after="1")
    assert (await ask(plane))[:2] == (200, "beta")
    plane.llms["alpha"].behave()
    await asyncio.sleep(2.1)
    assert (await ask(plane))[:2] == (200, "alpha")


async def test_named_llm_that_asks_to_be_left_alone_is_asked_once(plane: Plane) -> None:
    plane.llms["alpha"].behave(status=429, retry_after="60")
    status, _, headers, body = await ask(plane, "alpha")
    assert (status, headers["retry-after"]) == (429, "60")
    assert "told to fail" in body["error"]["message"]
    status, _, headers, body = await ask(plane, "alpha")
    assert status == 429
    assert 55 <= int(headers["retry-after"]) <= 60
    assert body["error"]["code"] == "rate_limit_exceeded"
    assert asked(plane) == [1, 0, 0]


async def test_named_llm_without_retry_after_is_tried_twice(plane: Plane) -> None:
    plane.llms["alpha"].behave(status=429)
    assert (await ask(plane, "alpha"))[0] == 429
    assert asked(plane) == [2, 0, 0]


@pytest.mark.parametrize("status", KEY_FAULTS)
async def test_endpoint_that_refuses_our_key_is_passed_over(plane: Plane, status: int) -> None:
    plane.llms["alpha"].behave(status=status)
    assert [(await ask(plane))[:2] for _ in range(5)] == [(200, "beta")] * 5
    assert asked(plane) == [1, 5, 0]
    assert (await ask(plane, "alpha"))[0] == status  # there is nobody else: it is tried all the same


async def test_a_failure_that_a_request_can_bring_about_takes_no_endpoint_away(plane: Plane) -> None:
    plane.llms["alpha"].behave(status=500)
    for _ in range(8):
        assert (await ask(plane))[:2] == (200, "beta")
    plane.llms["alpha"].behave()
    assert (await ask(plane))[:2] == (200, "alpha")


@pytest.mark.parametrize("status", [403, 404])
async def test_endpoint_that_refuses_everything_is_passed_over(plane: Plane, status: int) -> None:
    plane.llms["alpha"].behave(status=status)
    assert [(await ask(plane))[:2] for _ in range(8)] == [(200, "beta")] * 8
    assert asked(plane) == [MAX_REFUSALS, 8, 0]
    assert (await ask(plane, "alpha"))[0] == status  # there is nobody else: it is tried all the same


async def test_endpoint_that_refuses_some_requests_is_not_passed_over(plane: Plane) -> None:
    for i in range(3 * MAX_REFUSALS):
        plane.llms["alpha"].behave(status=200 if i % MAX_REFUSALS == 0 else 404)
        await ask(plane)
    assert asked(plane)[0] == 3 * MAX_REFUSALS


@asynccontextmanager
async def two_alike(folder: Path, **more: Any) -> AsyncIterator[tuple[Plane, RecordingEndpoint]]:
    """The LLM alpha has a second endpoint that differs in its port alone."""
    async with AsyncExitStack() as stack:
        second = RecordingEndpoint(DemoEndpoint("alpha"))
        await second.start(stack, None)
        second.behave()
        other = {"address": f"http://127.0.0.1:{second.port}/v1", "model": "alpha/model"}
        more |= {"beside": {"alpha": [other]}, "default": ["alpha", "beta", "gamma"], "threads": 1}
        plane = await stack.enter_async_context(data_plane(folder, **more))
        plane.prefer("hello", "alpha", "beta", "gamma")
        yield plane, second


async def test_one_of_several_alike_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    async with two_alike(tmp_path) as (plane, second):
        second.answer = busy
        while not second.received:
            assert (await ask(plane))[:2] == (200, "alpha")
        assert [(await ask(plane))[:2] for _ in range(20)] == [(200, "alpha")] * 20
        assert len(second.received) == 1


async def test_where_all_of_several_alike_ask_for_it_the_next_candidate_is_asked(tmp_path: Path) -> None:
    async with two_alike(tmp_path) as (plane, second):
        second.answer = plane.llms["alpha"].answer = busy
        for _ in range(10):
            assert (await ask(plane))[:2] == (200, "beta")
        assert len(second.received) + len(plane.llms["alpha"].received) == 2


@pytest.mark.parametrize("status", KEY_FAULTS)
async def test_several_alike_that_refuse_our_key_are_passed_over(tmp_path: Path, status: int) -> None:
    async with two_alike(tmp_path) as (plane, second):
        second.behave(status=status)
        plane.llms["alpha"].behave(status=status)
        for _ in range(10):
            assert (await ask(plane))[:2] == (200, "beta")
        assert len(second.received) + len(plane.llms["alpha"].received) <= 2


async def busy(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"message": "later"}}, status=429, headers={"retry-after": "60"})
