"""Queries through the whole stack: the client, the gateway, a real Triton, the demo endpoints."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.request import Request, urlopen

import grpc
import pytest
from google.rpc import code_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from deploy.local.command import SHIPPED_BUNDLE
from deploy.local.demo.samples import route_samples
from export.parity.compare import LIMITS
from routerdc_client import AsyncRouterClient, RouteError, RouterClient, route_request
from routerdc_contract.bundle import Manifest
from routerdc_contract.v1 import router_pb2 as pb
from tests.e2e.conftest import Stack

MANIFEST = Manifest.read(SHIPPED_BUNDLE)


def test_sample_queries_of_different_kinds_are_routed_and_answered(stack: Stack) -> None:
    samples = route_samples(stack.service.gateway_address, stack.service.openai_base_url)
    assert [sample.problem for sample in samples if not sample.ok] == []
    assert len({sample.decision.llm for sample in samples}) > 1


def test_a_response_says_everything_the_contract_promises(client: RouterClient) -> None:
    response = client.route("What is the boiling point of water at 2 bar?", max_candidates=3, request_id="mine")
    assert response.request_id == "mine"
    assert response.bundle_id == MANIFEST.bundle_id
    assert response.reason == pb.REASON_ROUTED
    assert response.token_count > 5
    assert not response.truncated
    assert response.candidates[0].llm == response.llm
    adjusted = [candidate.adjusted_score for candidate in response.candidates]
    assert adjusted == sorted(adjusted, reverse=True)
    assert len(adjusted) == 3
    assert response.margin == pytest.approx(adjusted[0] - adjusted[1], abs=1e-5)
    assert response.endpoint.model == response.llm
    timings = response.timings
    assert 0 < timings.score_ns <= timings.total_ns
    assert 0 < timings.policy_ns < timings.total_ns


def test_the_same_query_again_comes_from_the_cache_with_the_same_scores(client: RouterClient) -> None:
    first, second = (client.route("Name three prime numbers above 50.", max_candidates=7) for _ in range(2))
    assert second.reason == pb.REASON_CACHED
    assert second.candidates == first.candidates


def test_a_chat_is_routed_by_its_last_user_message(client: RouterClient) -> None:
    text = "Which gas do plants take in?"
    chat: list[dict[str, object]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": text}, {"type": "image_url"}]},
    ]
    by_chat = client.route(messages=chat, max_candidates=7)
    by_query = client.route(text, max_candidates=7)
    assert by_chat.candidates == by_query.candidates


def test_only_allowed_llms_answer(client: RouterClient) -> None:
    allowed = MANIFEST.llm_names[2:4]
    response = client.route("Who painted the night watch?", allowed_llms=allowed, max_candidates=7)
    assert {candidate.llm for candidate in response.candidates} == set(allowed)


def test_a_bad_request_in_a_batch_fails_alone(client: RouterClient) -> None:
    requests = [
        route_request("first", request_id="a"),
        route_request("  ", request_id="b"),
        route_request("third", request_id="c"),
    ]
    results = client.route_batch(requests)
    assert [result.request_id for result in results] == ["a", "b", "c"]
    assert [result.WhichOneof("result") for result in results] == ["response", "error", "response"]
    assert results[1].error.code == code_pb2.INVALID_ARGUMENT


def test_an_unknown_llm_is_named_in_the_error(client: RouterClient) -> None:
    with pytest.raises(RouteError, match="gpt-0") as caught:
        client.route("hello", allowed_llms=["gpt-0"])
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert any("allowed_llms" in field for field in caught.value.fields)


async def test_a_stream_answers_every_request_by_its_id(stack: Stack) -> None:
    async def requests() -> AsyncIterator[pb.RouteRequest]:
        for i in range(50):
            yield route_request(f"What is {i} times {i + 1}?", request_id=str(i))

    async with AsyncRouterClient(stack.service.gateway_address) as router:
        results = [result async for result in router.route_stream(requests())]
    assert sorted(int(result.request_id) for result in results) == list(range(50))
    assert all(result.HasField("response") for result in results)


def test_list_llms_has_the_bundles_names_with_their_endpoints(client: RouterClient) -> None:
    answer = client.list_llms()
    assert {llm.name for llm in answer.llms} == set(MANIFEST.llm_names)
    assert answer.bundle_id == MANIFEST.bundle_id
    assert all(llm.healthy and llm.endpoints for llm in answer.llms)


def test_health_and_reflection_are_served(stack: Stack) -> None:
    with grpc.insecure_channel(stack.service.gateway_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "routerdc.v1.Router"):
            status = health.Check(health_pb2.HealthCheckRequest(service=service)).status  # type: ignore[attr-defined]
            assert status == health_pb2.HealthCheckResponse.SERVING
        assert "routerdc.v1.Router" in ProtoReflectionDescriptorDatabase(channel).get_services()


def test_metrics_count_decisions_by_llm_and_reason(stack: Stack, client: RouterClient) -> None:
    response = client.route("Count this one, please.")
    with urlopen(f"http://{stack.service.gateway_metrics_address}/metrics") as page:
        metrics = page.read().decode()
    rows = [line for line in metrics.splitlines() if f'llm="{response.llm}"' in line and 'reason="routed"' in line]
    assert rows, metrics
    assert float(rows[0].rsplit(" ", 1)[1]) >= 1


def test_no_log_holds_a_prompt(stack: Stack, client: RouterClient) -> None:
    secret = "xyzzy plugh nothing happens"
    client.route(secret)
    with pytest.raises(RouteError):
        client.route(secret, allowed_llms=["nobody"])
    logs = Path(stack.service.gateway.log).parent
    assert list(logs.glob("*.log"))
    assert [log.name for log in logs.glob("*.log") if "xyzzy" in log.read_text(errors="replace")] == []


def test_records_beside_the_artefacts_say_what_int8_costs(stack: Stack) -> None:
    record = json.loads((stack.repository / "routerdc" / "export.json").read_text())
    assert record["parity"]["agreement"] >= LIMITS["int8"].agreement


def test_a_decision_is_given_over_http(stack: Stack) -> None:
    body = json.dumps({"query": "Solve 3(x - 4) = 2x + 7."}).encode()
    request = Request(
        f"http://{stack.service.gateway_http_address}/v1/route", data=body, headers={"content-type": "application/json"}
    )
    with urlopen(request, timeout=10) as answer:  # noqa: S310 - a server of this test
        decision = json.load(answer)
    assert decision["endpoint"]["address"].startswith("http://127.0.0.1:")
    assert decision["llm"]
