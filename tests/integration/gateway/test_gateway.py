"""The gateway in front of a real tritonserver with the shipped bundle."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import yaml
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import InferenceServerClient

from deploy.local.triton.server import TritonServer
from export.parity.samples import sample_queries
from gateway.app.server import serving
from gateway.config import settings
from gateway.errors import EndpointsError
from routerdc_client import AsyncRouterClient, RouteError, route_request
from routerdc_contract.bundle import Manifest
from routerdc_contract.tensors import CHOICE, ROUTER_MODEL, SCORES, TOKEN_COUNT
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.data.public import ROUTERDC
from tests.support.kserve import infer
from tests.support.waiting import until

TEST_DATA = ROUTERDC / "test_in_distribution"
REAL_QUERIES = 500
DEADLINE_MS = 60_000.0

Ask = Callable[[AsyncRouterClient, list[str]], Awaitable[list[pb.RouteResponse]]]
Gateway = Callable[..., AbstractAsyncContextManager[AsyncRouterClient]]


@pytest.fixture
def endpoints_file(tmp_path: Path, manifest: Manifest) -> Path:
    """One endpoint for every LLM of the bundle."""
    llms = {name: {"endpoints": [{"address": f"http://{name}.test/v1", "model": name}]} for name in manifest.llm_names}
    path = tmp_path / "endpoints.yaml"
    path.write_text(yaml.safe_dump({"default": [manifest.llm_names[2]], "llms": llms}), encoding="utf-8")
    return path


@pytest.fixture
def misnamed_file(endpoints_file: Path, manifest: Manifest) -> Path:
    """An endpoints.yaml in which one LLM has another name than in the bundle."""
    path = endpoints_file.with_name("misnamed.yaml")
    path.write_text(endpoints_file.read_text(encoding="utf-8").replace(manifest.llm_names[0], "unheard-of"))
    return path


@pytest.fixture
def gateway(endpoints_file: Path) -> Gateway:
    """Starts a gateway in front of the Triton at an address, and a client of it."""

    @asynccontextmanager
    async def _gateway(triton_address: str, **changes: Any) -> AsyncIterator[AsyncRouterClient]:
        flags = {"port": 0, "metrics_port": 0, "endpoints_file": endpoints_file, "triton_address": triton_address}
        flags |= {"deadline_ms": DEADLINE_MS, "health_interval_seconds": 0.1}
        async with serving(settings.load(None, {**flags, **changes})) as ports:
            address = f"127.0.0.1:{ports.grpc}"
            async with AsyncRouterClient(address) as client:
                client.address = address  # type: ignore[attr-defined]
                yield client

    return _gateway


def real_queries() -> list[str]:
    """`REAL_QUERIES` of the paper's test questions, spread over its test sets."""
    if not TEST_DATA.is_dir():
        pytest.skip(f"{TEST_DATA} is not there: routerdc data fetch, or set ROUTERDC_DATA")
    files = sorted(TEST_DATA.rglob("*.json*"))
    rows = [[row["question"] for row in json.loads(file.read_text(encoding="utf-8"))] for file in files]
    share = REAL_QUERIES // len(rows)
    picked = [question for questions in rows for question in questions[:: max(1, len(questions) // share)][:share]]
    return [*picked, *rows[-1][-(REAL_QUERIES - len(picked)) :]]


def check(
    answers: list[pb.RouteResponse], asked: InferenceServerClient, queries: list[str], manifest: Manifest
) -> None:
    """The gateway's `answers` are what a plain tritonclient gets for the same queries."""
    expected = [
        infer(asked, *queries[i : i + 64], outputs=[CHOICE, SCORES, TOKEN_COUNT]) for i in range(0, len(queries), 64)
    ]
    outputs = {name: np.concatenate([e.as_numpy(name) for e in expected]) for name in (CHOICE, SCORES, TOKEN_COUNT)}
    by_name = [{candidate.llm: candidate.score for candidate in answer.candidates} for answer in answers]
    assert [a.llm for a in answers] == [manifest.llm_names[choice] for choice in outputs[CHOICE][:, 0]]
    assert [a.token_count for a in answers] == outputs[TOKEN_COUNT][:, 0].tolist()
    assert {a.bundle_id for a in answers} == {manifest.bundle_id}
    routed = np.array([[row[name] for name in manifest.llm_names] for row in by_name])
    np.testing.assert_allclose(routed, outputs[SCORES], atol=1e-5)


async def one_by_one(router: AsyncRouterClient, queries: list[str]) -> list[pb.RouteResponse]:
    return await asyncio.gather(*(router.route(q, max_candidates=99, deadline_ms=DEADLINE_MS) for q in queries))


async def as_a_batch(router: AsyncRouterClient, queries: list[str]) -> list[pb.RouteResponse]:
    requests = [route_request(query, max_candidates=99) for query in queries]
    return [result.response for result in await router.route_batch(requests, deadline_ms=DEADLINE_MS)]


async def as_a_stream(router: AsyncRouterClient, queries: list[str]) -> list[pb.RouteResponse]:
    async def requests() -> AsyncIterator[pb.RouteRequest]:
        for i, query in enumerate(queries):
            yield route_request(query, max_candidates=99, request_id=str(i))

    answers = {result.request_id: result.response async for result in router.route_stream(requests())}
    return [answers[str(i)] for i in range(len(queries))]


@pytest.mark.parametrize("ask", [one_by_one, as_a_batch, as_a_stream])
async def test_gateway_and_tritonclient_agree_on_the_sample_queries(
    gateway: Gateway, triton: TritonServer, client: InferenceServerClient, manifest: Manifest, ask: Ask
) -> None:
    async with gateway(triton.grpc_address) as router:
        answers = await ask(router, sample_queries())
    assert len(answers) == len(sample_queries())
    check(answers, client, sample_queries(), manifest)


async def test_gateway_and_tritonclient_agree_on_real_queries(
    gateway: Gateway, triton: TritonServer, client: InferenceServerClient, manifest: Manifest
) -> None:
    queries = real_queries()
    assert len(queries) == REAL_QUERIES
    async with gateway(triton.grpc_address) as router:
        check(await one_by_one(router, queries), client, queries, manifest)


async def test_a_chat_with_one_user_text_is_routed_as_that_text(gateway: Gateway, triton: TritonServer) -> None:
    question = "How many prime numbers are there below 100?"
    content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": "data:"}}]
    async with gateway(triton.grpc_address) as router:
        plain = await router.route(question, deadline_ms=DEADLINE_MS)
        chat = await router.route(messages=[{"role": "user", "content": content}], deadline_ms=DEADLINE_MS)
    assert (plain.reason, chat.reason) == (pb.REASON_ROUTED, pb.REASON_CACHED)
    assert (chat.llm, chat.margin) == (plain.llm, plain.margin)


async def test_a_reply_in_a_chat_keeps_the_llm_and_a_long_text_is_read_at_both_ends(
    gateway: Gateway, triton: TritonServer, manifest: Manifest
) -> None:
    asked = {"role": "user", "content": "How many prime numbers are there below 100?"}
    reply = [asked, {"role": "assistant", "content": "25."}, {"role": "user", "content": "are you sure?"}]
    long = [{"role": "user", "content": "The whole law, word by word. " * 500 + "Is this legal?"}]
    async with gateway(triton.grpc_address) as router:
        first, second, both = [
            await router.route(messages=messages, deadline_ms=DEADLINE_MS) for messages in ([asked], reply, long)
        ]
    assert second.llm == first.llm
    assert second.margin == pytest.approx(first.margin, abs=0.1)  # blended: nearly the first one's scores
    assert both.truncated
    assert both.token_count > manifest.tokenizer.max_tokens


async def test_a_query_that_triton_refuses_fails_alone_in_its_merged_request(
    gateway: Gateway, triton: TritonServer
) -> None:
    too_long = "word " * 300_000  # over the model's limit, under this gateway's
    async with gateway(triton.grpc_address, max_query_bytes=2_000_000) as router:
        requests = [route_request(query) for query in ("2 + 2?", too_long, "Who was Ada Lovelace?")]
        results = await router.route_batch(requests, deadline_ms=DEADLINE_MS)
        assert [result.WhichOneof("result") for result in results] == ["response", "error", "response"]
        with pytest.raises(RouteError) as error:
            await router.route(too_long, deadline_ms=DEADLINE_MS)
    assert (error.value.code, error.value.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("query",))
    assert "1500000 bytes, the limit is 1048576" in error.value.message


async def test_a_long_query_says_that_it_was_truncated(gateway: Gateway, triton: TritonServer) -> None:
    async with gateway(triton.grpc_address) as router:
        response = await router.route("word " * 5000, deadline_ms=DEADLINE_MS)
    assert response.truncated


async def test_confidence_is_the_bundles_calibration_of_the_score(
    gateway: Gateway, triton: TritonServer, manifest: Manifest
) -> None:
    async with gateway(triton.grpc_address) as router:
        response = await router.route("2 + 2?", max_candidates=99, deadline_ms=DEADLINE_MS)
    confidences = {c.llm: c.confidence if c.HasField("confidence") else None for c in response.candidates}
    scores = {c.llm: c.score for c in response.candidates}
    for llm in manifest.llms:
        if (fit := llm.calibration) is None:
            assert confidences[llm.name] is None
        else:
            expected = 1 / (1 + np.exp(-(fit.slope * scores[llm.name] + fit.intercept)))
            assert confidences[llm.name] == pytest.approx(expected, abs=1e-5)


async def test_one_of_two_tritons_answers_while_the_other_is_down(
    gateway: Gateway, model_repository: Path, triton: TritonServer, tmp_path: Path
) -> None:
    with TritonServer(model_repository, log=tmp_path / "second.log") as second:
        async with gateway(f"{second.grpc_address},{triton.grpc_address}") as router:
            await one_by_one(router, [f"{i} + {i}?" for i in range(20)])
            await asyncio.to_thread(second.stop)
            answers = await one_by_one(router, [f"{i} * {i}?" for i in range(20)])
            assert {answer.reason for answer in answers} == {pb.REASON_ROUTED}


async def test_too_little_time_gives_the_default_in_time(
    gateway: Gateway, triton: TritonServer, manifest: Manifest
) -> None:
    async with gateway(triton.grpc_address, deadline_ms=0.001) as router:
        response = await router.route("2 + 2?")
    assert (response.llm, response.reason) == (manifest.llm_names[2], pb.REASON_FALLBACK)


async def test_hundreds_of_callers_share_few_requests_to_triton(
    gateway: Gateway, triton: TritonServer, client: InferenceServerClient
) -> None:
    def requests() -> int:
        return sum(
            int(m.inference_stats.success.count) for m in client.get_inference_statistics(ROUTER_MODEL).model_stats
        )

    long = "Explain every step of the way in plain words. " * 6  # so that Triton is slower than the callers
    before = await asyncio.to_thread(requests)
    async with gateway(triton.grpc_address, triton_window=1) as router:
        responses = await one_by_one(router, [f"{long}What is {i} times {i + 1}?" for i in range(300)])
    assert {response.reason for response in responses} == {pb.REASON_ROUTED}
    assert await asyncio.to_thread(requests) - before < 100


async def test_names_that_differ_from_the_bundle_keep_it_from_starting(
    gateway: Gateway, triton: TritonServer, misnamed_file: Path, manifest: Manifest
) -> None:
    with pytest.raises(EndpointsError, match=f"missing in endpoints.yaml: {manifest.llm_names[0]}.*: unheard-of"):
        async with gateway(triton.grpc_address, endpoints_file=misnamed_file):
            pass


async def test_without_triton_the_default_answers_until_it_is_back(
    gateway: Gateway, model_repository: Path, triton_platform: None, tmp_path: Path, manifest: Manifest
) -> None:
    first = TritonServer(model_repository, log=tmp_path / "first.log")
    await asyncio.to_thread(first.start)
    try:
        async with gateway(first.grpc_address) as router:
            assert (await router.route("2 + 2?", deadline_ms=DEADLINE_MS)).reason == pb.REASON_ROUTED
            await asyncio.to_thread(first.stop)
            down = await router.route("3 + 3?")
            assert (down.reason, down.llm) == (pb.REASON_FALLBACK, manifest.llm_names[2])
            await until(lambda: health(router, health_pb2.HealthCheckResponse.NOT_SERVING))
            with TritonServer(model_repository, log=tmp_path / "second.log", ports=first.ports):
                await until(lambda: health(router, health_pb2.HealthCheckResponse.SERVING), seconds=30)
                assert (await router.route("4 + 4?", deadline_ms=DEADLINE_MS)).reason == pb.REASON_ROUTED
    finally:
        await asyncio.to_thread(first.stop)


async def health(router: AsyncRouterClient, status: int) -> bool:
    async with aio.insecure_channel(router.address) as channel:  # type: ignore[attr-defined]
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return bool((await stub.Check(health_pb2.HealthCheckRequest())).status == status)
