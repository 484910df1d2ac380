"""The gateway in front of a real tritonserver with the shipped bundle."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
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

from contract.bundle import Manifest
from contract.tensors import CHOICE, SCORES, TOKEN_COUNT, TRUNCATED
from contract.v1 import router_pb2 as pb
from deploy.local.triton import TritonServer
from export.samples import sample_queries
from gateway import settings
from gateway.client import AsyncRouterClient, RouteError, route_request
from gateway.errors import EndpointsError
from gateway.server import serving
from tests.integration.kserve import infer
from tests.unit.gateway.waiting import until

TEST_DATA = Path(__file__).parents[3] / "shared/data/routerdc/test_in_distribution"
REAL_QUERIES = 500
DEADLINE_MS = 60_000.0

Gateway = Callable[..., AbstractAsyncContextManager[AsyncRouterClient]]


@pytest.fixture
def endpoints_file(tmp_path: Path, manifest: Manifest) -> Path:
    """One endpoint for every LLM of the bundle."""
    llms = {name: {"endpoints": [{"address": f"http://{name}.test/v1", "model": name}]} for name in manifest.llm_names}
    path = tmp_path / "endpoints.yaml"
    path.write_text(yaml.safe_dump({"default": [manifest.llm_names[2]], "llms": llms}), encoding="utf-8")
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
        pytest.skip(f"{TEST_DATA} is not there: real test questions are not part of the repository")
    files = sorted(TEST_DATA.rglob("*.json*"))
    rows = [[row["question"] for row in json.loads(file.read_text(encoding="utf-8"))] for file in files]
    share = REAL_QUERIES // len(rows)
    picked = [question for questions in rows for question in questions[:: max(1, len(questions) // share)][:share]]
    return [*picked, *rows[-1][-(REAL_QUERIES - len(picked)) :]]


async def check_agreement(
    gateway: Gateway, triton: TritonServer, client: InferenceServerClient, manifest: Manifest, queries: list[str]
) -> None:
    """Unary calls, a batch and a stream all say what a plain tritonclient says."""
    expected = [
        infer(client, *queries[i : i + 64], outputs=[CHOICE, SCORES, TOKEN_COUNT, TRUNCATED])
        for i in range(0, len(queries), 64)
    ]
    choices = [manifest.llm_names[c] for answer in expected for c in answer.as_numpy(CHOICE)[:, 0]]
    scores = np.concatenate([answer.as_numpy(SCORES) for answer in expected])
    counts = np.concatenate([answer.as_numpy(TOKEN_COUNT)[:, 0] for answer in expected])
    requests = [route_request(query, max_candidates=99, request_id=str(i)) for i, query in enumerate(queries)]

    async def stream() -> AsyncIterator[pb.RouteRequest]:
        for request in requests:
            yield request

    async with gateway(triton.grpc_address, cache_entries=0) as router:
        unary = await asyncio.gather(*(router.route(q, max_candidates=99, deadline_ms=DEADLINE_MS) for q in queries))
        batch = [result.response for result in await router.route_batch(requests, deadline_ms=DEADLINE_MS)]
        streamed = {r.request_id: r.response async for r in router.route_stream(stream())}
    for answers in (unary, batch, [streamed[str(i)] for i in range(len(queries))]):
        assert [a.llm for a in answers] == choices
        assert [a.token_count for a in answers] == counts.tolist()
        assert {a.bundle_id for a in answers} == {manifest.bundle_id}
        by_name = [{c.llm: c.score for c in a.candidates} for a in answers]
        routed = np.array([[row[name] for name in manifest.llm_names] for row in by_name])
        np.testing.assert_allclose(routed, scores, atol=1e-5)


async def test_gateway_and_tritonclient_agree_on_the_sample_queries(
    gateway: Gateway, triton: TritonServer, client: InferenceServerClient, manifest: Manifest
) -> None:
    await check_agreement(gateway, triton, client, manifest, sample_queries())


async def test_gateway_and_tritonclient_agree_on_real_queries(
    gateway: Gateway, triton: TritonServer, client: InferenceServerClient, manifest: Manifest
) -> None:
    queries = real_queries()
    assert len(queries) == REAL_QUERIES
    await check_agreement(gateway, triton, client, manifest, queries)


async def test_a_chat_is_routed_as_its_last_user_message(gateway: Gateway, triton: TritonServer) -> None:
    question = "How many prime numbers are there below 100?"
    content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": "data:"}}]
    async with gateway(triton.grpc_address) as router:
        plain = await router.route(question, deadline_ms=DEADLINE_MS)
        chat = await router.route(messages=[{"role": "user", "content": content}], deadline_ms=DEADLINE_MS)
    assert (plain.reason, chat.reason) == (pb.REASON_ROUTED, pb.REASON_CACHED)
    assert (chat.llm, chat.margin) == (plain.llm, plain.margin)


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


async def test_too_little_time_gives_the_default_in_time(
    gateway: Gateway, triton: TritonServer, manifest: Manifest
) -> None:
    async with gateway(triton.grpc_address, deadline_ms=0.001) as router:
        response = await router.route("2 + 2?")
    assert (response.llm, response.reason) == (manifest.llm_names[2], pb.REASON_FALLBACK)


async def test_hundreds_of_callers_share_few_requests_to_triton(gateway: Gateway, triton: TritonServer) -> None:
    async with gateway(triton.grpc_address, cache_entries=0) as router:
        queries = [f"What is {i} times {i + 1}?" for i in range(300)]
        responses = await asyncio.gather(*(router.route(query, deadline_ms=DEADLINE_MS) for query in queries))
    assert {response.reason for response in responses} == {pb.REASON_ROUTED}


async def test_names_that_differ_from_the_bundle_keep_it_from_starting(
    gateway: Gateway, triton: TritonServer, endpoints_file: Path, manifest: Manifest
) -> None:
    text = endpoints_file.read_text(encoding="utf-8").replace(manifest.llm_names[0], "unheard-of")
    endpoints_file.write_text(text, encoding="utf-8")
    with pytest.raises(EndpointsError, match=f"missing in endpoints.yaml: {manifest.llm_names[0]}.*: unheard-of"):
        async with gateway(triton.grpc_address):
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
