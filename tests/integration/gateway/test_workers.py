"""`routerdc gateway --workers 2` as processes of their own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.app import workers as supervisor
from gateway.config import settings
from gateway.errors import PortInUseError, WorkerError
from routerdc_client import AsyncRouterClient
from tests.support.fakes.triton import FakeTriton, fake_triton
from tests.support.gateways.running import write
from tests.support.waiting import until


@dataclass
class Supervised:
    """A running supervisor and its workers."""

    process: asyncio.subprocess.Process
    triton: FakeTriton
    ports: dict[str, Any]

    def workers(self) -> set[int]:
        """Process ids of the workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()}

    async def route(self, query: str = "q") -> str:
        """Asks over a new connection, which any worker may get."""
        async with AsyncRouterClient(f"127.0.0.1:{self.ports['grpc']}") as router:
            return (await router.route(query, deadline_ms=20_000)).llm

    def metric(self, port: int, line: str) -> bool:
        """Whether the worker with that metrics port shows the line."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return line in answer.read().decode()


@asynccontextmanager
async def supervised(folder: Path, *more: str, **script: Any) -> AsyncIterator[Supervised]:
    write(folder / "endpoints.yaml")
    ports_file = folder / "ports.json"
    flags = ["--workers=2", "--port=0", "--metrics-port=0", "--deadline-ms=60000", f"--ports-file={ports_file}", *more]
    command = [sys.executable, "-c", "from cli.command import main; main()", "gateway", *flags]
    async with fake_triton(**script) as triton:
        command += [f"--endpoints-file={folder / 'endpoints.yaml'}", f"--triton-address={triton.address}"]
        process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
        try:
            await until(ports_file.exists, seconds=60)
            yield Supervised(process, triton, json.loads(_text(ports_file)))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _text(path: Path) -> str:
    return path.read_text()


async def test_workers_share_the_port_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    async with supervised(tmp_path) as gateway:
        before = gateway.workers()
        assert len(before) == 2
        assert len(set(gateway.ports["worker_metrics"])) == 2
        assert gateway.ports["metrics"] == gateway.ports["worker_metrics"][0]
        served: Callable[[int], bool] = lambda port: gateway.metric(port, "routerdc_requests_total{")  # noqa: E731

        async def both_have_served() -> bool:
            assert await gateway.route() == "beta"
            return all(served(port) for port in gateway.ports["worker_metrics"])

        await until(both_have_served, seconds=30)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        for _ in range(10):
            assert await gateway.route() == "beta"
        await until(lambda: len(gateway.workers() - {killed}) == 2, seconds=30)


async def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--worker-timeout-seconds=1.5") as gateway:
        before = gateway.workers()
        hung = min(before)
        os.kill(hung, signal.SIGSTOP)
        await until(lambda: hung not in gateway.workers() and len(gateway.workers()) == 2, seconds=60)
        assert before & gateway.workers() == before - {hung}
        for _ in range(10):
            assert await gateway.route() == "beta"


async def test_sigterm_ends_a_worker_that_hangs_too(tmp_path: Path) -> None:
    flags = ("--worker-timeout-seconds=3600", "--grace-seconds=0.5")
    async with supervised(tmp_path, *flags) as gateway:
        workers = gateway.workers()
        os.kill(min(workers), signal.SIGSTOP)
        gateway.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(gateway.process.wait(), 30)
        await until(lambda: not [pid for pid in workers if Path(f"/proc/{pid}/cmdline").exists()])


async def test_sighup_reaches_every_worker(tmp_path: Path) -> None:
    async with supervised(tmp_path) as gateway:
        gateway.process.send_signal(signal.SIGHUP)
        line = 'routerdc_reloads_total{file="endpoints",outcome="ok"} 1.0'
        for port in gateway.ports["worker_metrics"]:
            await until(lambda port=port: gateway.metric(port, line))  # type: ignore[misc]


async def test_sigterm_drains_every_worker(tmp_path: Path) -> None:
    async with supervised(tmp_path, delay_seconds=0.5) as gateway:
        calls = [asyncio.create_task(gateway.route(f"query {i}")) for i in range(4)]
        await until(lambda: sum(request.inputs[0].shape[0] for request in gateway.triton.requests) == 4)
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(gateway.process.wait(), 20) == 0
        assert await asyncio.gather(*calls) == ["beta"] * 4


async def test_workers_end_when_their_supervisor_is_gone(tmp_path: Path) -> None:
    async with supervised(tmp_path) as gateway:
        workers = gateway.workers()
        gateway.process.kill()
        await until(lambda: not [pid for pid in workers if Path(f"/proc/{pid}/cmdline").exists()], seconds=20)


def test_a_worker_that_cannot_start_is_said_and_nothing_is_left_running(tmp_path: Path) -> None:
    write(tmp_path / "endpoints.yaml")
    flags = {"endpoints_file": tmp_path / "endpoints.yaml", "triton_address": "127.0.0.1:1", "workers": 2}
    chosen = settings.load(None, {**flags, "port": 0, "metrics_port": 0, "startup_timeout_seconds": 0.2})
    with pytest.raises(WorkerError, match=r"waited 0.2 s: .*127.0.0.1:1"):
        supervisor.run(chosen)


def test_a_port_that_another_gateway_has_is_refused_even_if_it_would_share_it(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        chosen = settings.load(None, {"port": other.getsockname()[1], "workers": 2})
        with pytest.raises(PortInUseError, match="--port"):
            supervisor.run(chosen)
