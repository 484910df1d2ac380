import asyncio
import json
import socket
import threading
import urllib.request
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway.app.health import FOLLOWING
from gateway.app.listening import metrics_server
from gateway.app.listening.ports import Ports
from gateway.app.server import serving
from gateway.config import settings
from gateway.domain.scorer import Bundle
from gateway.errors import EndpointsError, PortInUseError, TritonMissingError
from routerdc_contract.services import LIVE
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import FakeTriton, fake_triton
from tests.support.waiting import until
from tests.unit.gateway.conftest import endpoints_file

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def chosen(tmp_path: Path) -> Any:
    path = tmp_path / "endpoints.yaml"
    path.write_text(yaml.safe_dump(json.loads(endpoints_file().model_dump_json())), encoding="utf-8")

    def _chosen(triton: str, **changes: Any) -> settings.Settings:
        defaults = {"port": 0, "metrics_port": 0, "endpoints_file": path, "health_interval_seconds": 0.02}
        return settings.load(None, {**defaults, "triton_address": triton, "deadline_ms": 5000, **changes})

    return _chosen


@asynccontextmanager
async def gateway(chosen: Any, triton: FakeTriton, **changes: Any) -> AsyncIterator[tuple[aio.Channel, Ports]]:
    async with (
        serving(chosen(triton.address, **changes)) as ports,
        aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel,
    ):
        yield channel, ports


async def health_becomes(channel: aio.Channel, service: str, status: int) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)

    async def reached() -> bool:
        return bool((await stub.Check(health_pb2.HealthCheckRequest(service=service))).status == status)

    await until(reached)


async def test_a_query_goes_through_to_triton_and_back(chosen: Any) -> None:
    async with fake_triton() as triton, gateway(chosen, triton) as (channel, _):
        response = await router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="q"))
    assert (response.llm, response.bundle_id, response.truncated) == ("beta", BUNDLE.bundle_id, True)


async def test_health_follows_tritons_readiness_and_the_process_stays_live(chosen: Any) -> None:
    async with fake_triton() as triton, gateway(chosen, triton) as (channel, _):
        for ready, status in ((True, SERVING), (False, NOT_SERVING), (True, SERVING)):
            triton.ready = ready
            for service in FOLLOWING:
                await health_becomes(channel, service, status)
            await health_becomes(channel, LIVE, SERVING)


async def test_a_bundle_with_other_names_makes_it_not_ready_until_it_is_gone(chosen: Any) -> None:
    async with fake_triton() as triton, gateway(chosen, triton) as (channel, _):
        triton.configured = Bundle("1111111111111111", ("alpha", "delta"))
        await health_becomes(channel, "", NOT_SERVING)
        response = await router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="q"))
        assert response.reason == pb.REASON_FALLBACK
        triton.configured = Bundle("2222222222222222", BUNDLE.llms)
        await health_becomes(channel, "", SERVING)
        response = await router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="q"))
        assert response.bundle_id == "2222222222222222"


async def test_metrics_are_on_a_port_of_their_own(chosen: Any) -> None:
    async with fake_triton() as triton, gateway(chosen, triton) as (channel, ports):
        stub = router_pb2_grpc.RouterStub(channel)
        for _ in range(2):
            await stub.Route(pb.RouteRequest(query="a secret prompt"))
        url = f"http://127.0.0.1:{ports.metrics}/metrics"
        text = (await asyncio.to_thread(urllib.request.urlopen, url)).read().decode()
    for line in (
        'routerdc_requests_total{llm="beta",reason="routed"} 1.0',
        'routerdc_requests_total{llm="beta",reason="cached"} 1.0',
        'routerdc_cache_lookups_total{outcome="hit"} 1.0',
        f'routerdc_bundle_info{{bundle_id="{BUNDLE.bundle_id}"}} 1.0',
        "routerdc_triton_batch_size_count 1.0",
        "routerdc_cache_entries 1.0",
        "routerdc_in_flight 0.0",
        "routerdc_ready 1.0",
    ):
        assert line in text
    assert "secret" not in text


async def test_prompts_are_not_logged_at_any_level(chosen: Any, events: list[MutableMapping[str, Any]]) -> None:
    async with fake_triton() as triton, gateway(chosen, triton) as (channel, _):
        stub = router_pb2_grpc.RouterStub(channel)
        await stub.Route(pb.RouteRequest(query="a secret prompt", request_id="logged"))
        triton.fault = grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(aio.AioRpcError):
            await stub.Route(pb.RouteRequest(query="another secret"))
    decided = next(event for event in events if event["event"] == "decided")
    assert (decided["request_id"], decided["llm"], decided["reason"], decided["token_count"]) == (
        "logged",
        "beta",
        "routed",
        7,
    )
    assert "secret" not in repr(events)


async def test_reflection_lists_the_services(chosen: Any) -> None:
    async with fake_triton() as triton, gateway(chosen, triton) as (channel, _):
        stub: Any = reflection_pb2_grpc.ServerReflectionStub
        call = stub(channel).ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        names = [service.name async for answer in call for service in answer.list_services_response.service]
    assert {"routerdc.v1.Router", "grpc.health.v1.Health"} <= set(names)


async def test_draining_says_not_serving_first_and_answers_what_is_in_flight(chosen: Any) -> None:
    async with fake_triton(delay_seconds=0.4) as triton:
        context = gateway(chosen, triton)
        _, ports = await context.__aenter__()
        async with aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as caller:
            health: Any = health_pb2_grpc.HealthStub(caller)
            watch = health.Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == SERVING
            call = asyncio.ensure_future(router_pb2_grpc.RouterStub(caller).Route(pb.RouteRequest(query="q")))
            await until(lambda: triton.requests)
            leaving = asyncio.ensure_future(context.__aexit__(None, None, None))
            assert (await watch.read()).status == NOT_SERVING
            assert not call.done()
            assert (await call).llm == "beta"
            watch.cancel()
            await leaving


async def test_during_the_drain_delay_it_is_not_serving_but_answers_whoever_still_comes(chosen: Any) -> None:
    async with fake_triton() as triton:
        context = gateway(chosen, triton, drain_delay_seconds=0.5)
        _, ports = await context.__aenter__()
        async with aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as late:
            leaving = asyncio.ensure_future(context.__aexit__(None, None, None))
            await health_becomes(late, "", NOT_SERVING)
            assert (await router_pb2_grpc.RouterStub(late).Route(pb.RouteRequest(query="q"))).llm == "beta"
        await leaving


async def test_names_that_differ_keep_it_from_starting_and_are_printed(chosen: Any) -> None:
    async with fake_triton(configured=Bundle("id", ("alpha", "beta", "delta"))) as triton:
        with pytest.raises(EndpointsError, match=r"missing in endpoints.yaml: delta; not in the bundle: gamma"):
            async with gateway(chosen, triton):
                pass


async def test_no_triton_in_time_is_said(chosen: Any) -> None:
    with pytest.raises(TritonMissingError, match=r"waited 0.3 s: .*127.0.0.1:1.*--triton-address"):
        async with serving(chosen("127.0.0.1:1", startup_timeout_seconds=0.3)):
            pass


async def test_it_waits_for_a_triton_that_is_not_ready_yet(chosen: Any) -> None:
    async with fake_triton(ready=False) as triton:
        asyncio.get_running_loop().call_later(0.3, setattr, triton, "ready", True)
        async with gateway(chosen, triton) as (channel, _):
            await health_becomes(channel, "", SERVING)


@pytest.mark.parametrize("which", ["port", "metrics_port"])
async def test_a_port_in_use_is_said_with_what_to_do(chosen: Any, which: str) -> None:
    async with fake_triton() as triton, gateway(chosen, triton) as (_, ports):
        taken = ports.grpc if which == "port" else ports.metrics
        flag = "--" + which.replace("_", "-")
        with pytest.raises(PortInUseError, match=rf"127.0.0.1:{taken}.*{flag} or ROUTERDC_{which.upper()}"):
            async with gateway(chosen, triton, **{which: taken}):
                pass


async def test_one_of_two_tritons_is_enough(chosen: Any) -> None:
    async with fake_triton() as one, fake_triton(ready=False) as two:
        one_and_two = f"{two.address},{one.address}"
        async with (
            serving(chosen(one_and_two)) as ports,
            aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel,
        ):
            await health_becomes(channel, "", SERVING)
            response = await router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="q"))
            assert (response.llm, response.reason) == ("beta", pb.REASON_ROUTED)
            assert b'routerdc_tritons{state="not_ready"} 1.0' in await _metrics(ports)


async def _metrics(ports: Ports) -> bytes:
    def read() -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports.metrics}/metrics") as answer:
            content: bytes = answer.read()
            return content

    return await asyncio.to_thread(read)


async def test_decisions_are_logged_once_it_has_stopped(chosen: Any, tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    async with fake_triton() as triton, gateway(chosen, triton, decision_log_file=path) as (channel, _):
        await router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="q", request_id="mine"))
    assert json.loads(path.read_text())["request_id"] == "mine"


async def test_a_shadow_is_compared_and_being_gone_does_no_harm(chosen: Any) -> None:
    async with fake_triton() as triton, fake_triton(configured=Bundle("4" * 16, ("beta", "alpha"))) as shadow:
        flags = {"shadow_triton_address": shadow.address, "shadow_share": 1}
        async with gateway(chosen, triton, **flags) as (channel, ports):
            stub = router_pb2_grpc.RouterStub(channel)
            await stub.Route(pb.RouteRequest(query="q"))

            async def is_counted(outcome: str) -> bool:
                return f'routerdc_shadow_queries_total{{outcome="{outcome}"}} 1.0'.encode() in await _metrics(ports)

            await until(lambda: is_counted("differed"))
            shadow.fault = grpc.StatusCode.UNAVAILABLE
            assert (await stub.Route(pb.RouteRequest(query="q"))).llm == "beta"
            await until(lambda: is_counted("failed"))


def status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - of ours
        return int(answer.status)


@pytest.mark.parametrize(
    ("host", "reached"), [("::1", "[::1]"), ("[::1]", "[::1]"), ("::", "127.0.0.1"), ("::", "[::1]")]
)
async def test_every_port_listens_on_ipv6(chosen: Any, host: str, reached: str) -> None:
    async with fake_triton() as triton, serving(chosen(triton.address, host=host, http_port=0)) as ports:
        async with aio.insecure_channel(f"{reached}:{ports.grpc}") as channel:
            assert (await router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="q"))).llm == "beta"
        for port, path in ((ports.metrics, "metrics"), (ports.http, "openapi.json")):
            url = f"http://{reached}:{port}/{path}"
            assert await asyncio.to_thread(status, url) == 200


async def test_half_requests_at_the_metrics_port_end_and_do_not_pile_up(
    chosen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server._Handler, "timeout", 0.2)
    async with fake_triton() as triton, serving(chosen(triton.address)) as ports:
        before = threading.active_count()
        slow = [socket.create_connection(("127.0.0.1", ports.metrics)) for _ in range(40)]
        for one in slow:
            one.sendall(b"GET /metrics HTT")
        await asyncio.sleep(0.1)
        assert threading.active_count() <= before + metrics_server.MAX_REQUESTS
        await until(lambda: threading.active_count() <= before)
        url = f"http://127.0.0.1:{ports.metrics}/metrics"
        assert await asyncio.to_thread(status, url) == 200
        for one in slow:
            one.close()


async def test_triton_is_reached_past_a_proxy_for_the_web(chosen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with fake_triton() as triton, gateway(chosen, triton) as (_, ports):
        options = [("grpc.enable_http_proxy", 0)]
        async with aio.insecure_channel(f"127.0.0.1:{ports.grpc}", options=options) as channel:
            assert (await router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="q"))).llm == "beta"
