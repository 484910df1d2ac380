"""The gateway's own troubles: killed workers, shutdown in full flight, changed files, full disks, no descriptors."""

# ruff: noqa: ASYNC240 - files are small and nobody else waits

import asyncio
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import grpc
import trustme
from grpc import aio

from deploy.local.triton.server import TritonServer
from routerdc_client.calls import CHANNEL_OPTIONS as CLIENT_OPTIONS
from routerdc_contract.bundle import Manifest
from tests.chaos.conftest import StartGateway, endpoints_yaml, full_only
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import REAL, Ask, Call, Load, channel, routing
from tests.support.gateways.process import GatewayProcess
from tests.support.waiting import until

Seconds = Callable[[float, float], float]

PER_SECOND = 100.0 if FULL else 30.0
DEADLINE_MS = 2000.0 if FULL else 10_000.0
SETTINGS = {"deadline_ms": DEADLINE_MS / 2}


def like_our_client(address: str) -> aio.Channel:
    """A channel with the retries that our own clients have."""
    own = [("grpc.use_local_subchannel_pool", 1), ("grpc.lb_policy_name", "round_robin")]
    return aio.insecure_channel(address, options=[*CLIENT_OPTIONS, *own])


def none_failed(ledger: Ledger, fault: str, calls: list[Call]) -> None:
    """Every call got a decision."""
    ledger.never(fault, "no call fails", calls, lambda call: not call.decided)


@full_only
async def test_killed_worker_fails_no_call_of_our_client(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger
) -> None:
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, workers=2, **SETTINGS)
    channels = [like_our_client(gateway.address) for _ in range(8)]
    asks = [routing(each, DEADLINE_MS) for each in channels]

    async def ask(query: str) -> str:
        return await asks[hash(query) % len(asks)](query)

    async with Load(ask, PER_SECOND) as running:
        await asyncio.sleep(2)
        for _ in range(3):
            victim = gateway.children()[0]
            os.kill(victim, signal.SIGKILL)
            await asyncio.sleep(4)
        await running.stop()
    for each in channels:
        await each.close()
    none_failed(ledger, "worker killed (-9), three times", running.calls)
    ledger.at_most("worker killed (-9), three times", "workers missing afterwards", 2 - len(gateway.children()), 0, "")


async def test_sigterm_in_full_flight_loses_no_call(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    first = await asyncio.to_thread(start_gateway, triton.grpc_address, **SETTINGS)
    second = await asyncio.to_thread(start_gateway, triton.grpc_address, **SETTINGS)
    both = like_our_client(f"ipv4:{first.address},{second.address}")
    async with both, Load(routing(both, DEADLINE_MS), PER_SECOND * 2) as running:
        await asyncio.sleep(seconds(0.5, 2))
        first.signal(signal.SIGTERM)
        await asyncio.sleep(seconds(0.5, 5))
        await running.stop()
    none_failed(ledger, "SIGTERM to one of two gateways", running.calls)
    await until(lambda: not first.process.running)
    ledger.at_most("SIGTERM to one of two gateways", "exit status", abs(first.process.wait()), 0, "", timed=False)


async def test_changed_endpoints_fail_no_call_whatever_is_in_them(
    triton: TritonServer, start_gateway: StartGateway, endpoints_file: Path, manifest: Manifest, ledger: Ledger,
    seconds: Seconds,
) -> None:  # fmt: skip
    good = endpoints_file.read_text(encoding="utf-8")
    settings = SETTINGS | {"reload_interval_seconds": 0.1}
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, **settings)

    def refused() -> float:
        return gateway.metric("routerdc_reloads_total", file="endpoints", outcome="refused")

    def in_use() -> bool:
        return gateway.metric("routerdc_last_reload_successful", file="endpoints") == 1

    async with channel(gateway.address) as one, Load(routing(one, DEADLINE_MS), PER_SECOND) as running:
        for content in (
            "llms: [",
            good[: len(good) // 2],
            "",
            "default: [x]\nllms: {}\n",
            "\0",
            good.replace("http:", ""),
        ):
            before = await asyncio.to_thread(refused)
            endpoints_file.write_text(content, encoding="utf-8")
            await until(lambda before=before: refused() > before)  # type: ignore[misc]
        endpoints_file.unlink()
        await asyncio.sleep(seconds(0.2, 1))
        endpoints_file.write_text(good, encoding="utf-8")
        await until(in_use)
        for price in range(int(seconds(5, 40))):
            with endpoints_file.open("w", encoding="utf-8") as file:  # written in two halves, slowly
                content = endpoints_yaml(manifest.llm_names, virtual_models={"auto": {}, f"v{price}": {}})
                file.write(content[: len(content) // 2])
                file.flush()
                await asyncio.sleep(0.05)
                file.write(content[len(content) // 2 :])
            swapped = endpoints_file.with_suffix(".new")
            swapped.write_text(good, encoding="utf-8")
            swapped.replace(endpoints_file)
        await until(in_use)
        for _ in range(5):
            gateway.signal(signal.SIGHUP)
            await asyncio.sleep(0.05)
        await running.stop()
    none_failed(ledger, "endpoints.yaml broken, cut, gone, half-written, swapped", running.calls)
    fault = "endpoints.yaml broken, cut, gone, half-written, swapped"
    ledger.never(fault, "real decisions go on", running.calls, lambda call: call.outcome not in REAL)


async def test_renewed_certificate_fails_no_call(
    triton: TritonServer, start_gateway: StartGateway, tmp_path: Path, ledger: Ledger, seconds: Seconds
) -> None:
    authority, cert, key = trustme.CA(), tmp_path / "tls.crt", tmp_path / "tls.key"

    def renew() -> None:
        issued = authority.issue_cert("localhost", "127.0.0.1")
        key.write_bytes(issued.private_key_pem.bytes())  # the two never fit together in between
        cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))

    renew()
    settings = SETTINGS | {"tls_cert_file": cert, "tls_key_file": key, "reload_interval_seconds": 0.1}
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, **settings)
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())

    def connection() -> aio.Channel:
        options = [("grpc.use_local_subchannel_pool", 1)]
        return aio.secure_channel(gateway.address, credentials, options=options)

    async def ask_anew(query: str) -> str:
        async with connection() as fresh:
            return await routing(fresh, DEADLINE_MS)(query)

    async with connection() as old, Load(routing(old, DEADLINE_MS), PER_SECOND) as standing, Load(ask_anew, 5) as new:
        for _ in range(int(seconds(3, 20))):
            renew()
            await asyncio.sleep(0.4)
        await standing.stop()
        await new.stop()
    none_failed(ledger, "certificate renewed, standing connections", standing.calls)
    none_failed(ledger, "certificate renewed, a new connection for each call", new.calls)
    reloads = gateway.metric("routerdc_reloads_total", file="certificates", outcome="ok")
    assert reloads >= 1, "no certificate was taken"


async def test_full_disk_costs_lines_and_no_call(
    triton: TritonServer, start_gateway: StartGateway, tmp_path: Path, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, decision_log_file="/dev/full", **SETTINGS)
    async with channel(gateway.address) as one, Load(routing(one, DEADLINE_MS), PER_SECOND) as running:
        await asyncio.sleep(seconds(0.5, 8))
        await running.stop()
    ledger.never("disk full (decision log)", "real decisions go on", running.calls, lambda c: c.outcome not in REAL)
    await until(lambda: gateway.metric("routerdc_decision_log_dropped_total", cause="write_failed") > 0)


async def test_full_disk_under_its_own_log_costs_no_call(
    triton: TritonServer, start_gateway: StartGateway, tmp_path: Path, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, log_level="debug", **SETTINGS)
    gateway.limit(resource.RLIMIT_FSIZE, gateway.log.stat().st_size)
    async with channel(gateway.address) as one, Load(routing(one, DEADLINE_MS), PER_SECOND) as running:
        await asyncio.sleep(seconds(0.5, 8))
        await running.stop()
    ledger.never("disk full (stderr)", "real decisions go on", running.calls, lambda c: c.outcome not in REAL)


async def test_exhausted_file_descriptors_do_not_touch_connections_that_stand(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, **SETTINGS)
    host, _, port = gateway.address.partition(":")
    async with channel(gateway.address) as one, Load(routing(one, DEADLINE_MS), PER_SECOND) as running:
        await asyncio.sleep(0.5)
        before = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)[0]
        gateway.limit(resource.RLIMIT_NOFILE, gateway.open_files() + 2)
        flood = [socket.create_connection((host, int(port)), timeout=5) for _ in range(50)]
        await asyncio.sleep(seconds(1, 8))
        for each in flood:
            each.close()
        gateway.limit(resource.RLIMIT_NOFILE, before)
        await running.stop()
    none_failed(ledger, "no file descriptors left", running.calls)
    ledger.at_most("no file descriptors left", "new callers served again after", await _back(gateway), 5.0, "s")


async def _back(gateway: GatewayProcess) -> float:
    """Seconds until a new connection is served."""
    began = time.monotonic()
    while True:
        async with channel(gateway.address, ("grpc.use_local_subchannel_pool", 1)) as fresh:
            ask: Ask = routing(fresh, DEADLINE_MS)
            with suppress(TimeoutError):
                if await asyncio.wait_for(ask(f"back after {time.monotonic()}"), 5) in REAL:
                    return time.monotonic() - began
        assert time.monotonic() < began + 60, "never"
