"""The gateway and `routerdc envoy-config --watch` as processes of their own: what they import, and how they end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routerdc_client.route_command import route
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import FakeTriton, fake_triton
from tests.support.gateways.running import write
from tests.support.processes import wait_until
from tests.support.waiting import until

SILENT = """
import os, signal, socket, sys, time
from pathlib import Path

known = socket.getaddrinfo

def silent(host, *rest, **named):
    if host != "silent.test":
        return known(host, *rest, **named)
    asked()
    time.sleep(600)

socket.getaddrinfo = silent
"""
"""A name server that does not answer. What it must not hold up is the end of a process."""

GATEWAY = """
from gateway.app import server
from gateway.config import settings

def asked():
    os.kill(os.getpid(), signal.SIGTERM)

server.run(settings.load(None, {
    "triton_address": "dns:///silent.test:8001", "start_without_router": True, "endpoints_file": Path(sys.argv[1]),
    "port": 0, "metrics_port": 0,
}))
"""
PROBE = """
import aiohttp, uvloop
from gateway.app.process.event_loop import Loop

def asked():
    print("asked", flush=True)

async def probe():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as session:
        try:
            await session.get("http://silent.test/")
        except TimeoutError:
            pass

uvloop.run(probe(), loop_factory=Loop)
"""
WATCHER = "from gateway.envoy_config.command import envoy_config; envoy_config()"


def test_the_gateway_imports_no_training_library() -> None:
    heavy = {"torch", "transformers", "onnx", "onnxruntime", "tensorrt"}
    modules = "gateway.app.server, gateway.app.command, routerdc_client"
    code = f"import sys, {modules}; assert not {heavy} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@dataclass
class Started:
    """`routerdc gateway` as a process of its own, in front of a Triton that takes `delay_seconds`."""

    process: asyncio.subprocess.Process
    triton: FakeTriton
    address: str

    async def route(self, query: str) -> Result:
        """`routerdc route` in a thread."""
        flags = [query, f"--address={self.address}", "--deadline-ms=30000"]
        return await asyncio.to_thread(CliRunner().invoke, route, flags)

    async def ended(self, seconds: float) -> list[str]:
        """What was logged, once the process has ended with 0."""
        _, logs = await asyncio.wait_for(self.process.communicate(), seconds)
        assert self.process.returncode == 0
        return [line for line in logs.decode().splitlines() if line.startswith("{")]


@asynccontextmanager
async def started(folder: Path, delay_seconds: float, *more: str) -> AsyncIterator[Started]:
    file, ports_file = folder / "endpoints.yaml", folder / "ports.json"
    write(file)
    flags = ["--port=0", "--metrics-port=0", "--deadline-ms=60000", f"--ports-file={ports_file}", *more]
    command = [sys.executable, "-c", "from cli.command import main; main()", "gateway", *flags]
    async with fake_triton(delay_seconds=delay_seconds) as triton:
        command += [f"--endpoints-file={file}", f"--triton-address={triton.address}"]
        process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        try:
            await until(ports_file.exists, seconds=30)
            yield Started(process, triton, f"127.0.0.1:{json.loads(ports_file.read_text())['grpc']}")
        finally:
            if process.returncode is None:
                process.kill()


async def test_the_process_drains_on_sigterm(tmp_path: Path) -> None:
    async with started(tmp_path, delay_seconds=0.5) as gateway:
        asking = asyncio.create_task(gateway.route("hello"))
        await until(lambda: gateway.triton.requests)
        gateway.process.send_signal(signal.SIGTERM)
        assert "beta" in (await asking).output
        events = [json.loads(line) for line in await gateway.ended(10)]
    names = [event["event"] for event in events]
    assert names[names.index("serving") :] == ["serving", "draining", "stopped"]
    assert events[names.index("serving")]["bundle_id"] == BUNDLE.bundle_id


async def test_a_second_signal_stops_the_process_at_once(tmp_path: Path) -> None:
    async with started(tmp_path, delay_seconds=60) as gateway:
        asking = asyncio.create_task(gateway.route("hello"))
        await until(lambda: gateway.triton.requests)
        for _ in range(2):
            gateway.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
        await gateway.ended(5)
        assert (await asking).exit_code == 1


async def test_the_process_ends_at_sigterm_though_the_file_with_the_keys_hangs(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text(yaml.safe_dump({"keys": [{"name": "team", "sha256": "0" * 64}]}))
    flags = [f"--api-keys-file={keys}", "--file-timeout-seconds=0.2", "--reload-interval-seconds=0.05"]
    async with started(tmp_path, 0, *flags, "--health-interval-seconds=0.05") as gateway:
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "fifo").rename(keys)
        async with aio.insecure_channel(gateway.address) as channel:
            await until(lambda: _is_not_serving(channel))
        gateway.process.send_signal(signal.SIGTERM)
        logs = await gateway.ended(10)
    assert any("api_keys: reading the file" in line for line in logs)


async def _is_not_serving(channel: aio.Channel) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    status = (await stub.Check(health_pb2.HealthCheckRequest())).status
    return bool(status == health_pb2.HealthCheckResponse.NOT_SERVING)


def ended(code: str, *words: str) -> str:
    """What a process said that ends well."""
    command = [sys.executable, "-c", SILENT + code, *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout


def test_a_gateway_that_is_looking_for_triton_ends_well(tmp_path: Path) -> None:
    write(tmp_path / "endpoints.yaml")
    assert "stopped" in ended(GATEWAY, str(tmp_path / "endpoints.yaml"))


def test_a_probe_of_an_endpoint_does_not_hold_up_the_end() -> None:
    assert ended(PROBE) == "asked\n"


def test_sigterm_ends_the_watcher_by_itself(tmp_path: Path) -> None:
    """Process 1 of a container outlives a SIGTERM that it leaves to the system, and its pod goes late."""
    endpoints, out = tmp_path / "endpoints.yaml", tmp_path / "envoy.yaml"
    write(endpoints)
    command = [sys.executable, "-c", WATCHER, f"--endpoints={endpoints}", f"--out={out}", "--watch"]
    with subprocess.Popen(command) as watcher:
        try:
            assert wait_until(out.is_file, 60)
            watcher.send_signal(signal.SIGTERM)
            assert watcher.wait(60) == 0
        finally:
            watcher.kill()
