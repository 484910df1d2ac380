"""A real gateway behind a real Envoy that passes gRPC calls on; only Triton is scripted.

async with grpc_plane(folder) as plane:
    RouterClient(plane.address)
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from click.testing import CliRunner
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.envoy import Envoy
from gateway.envoy_config.command import envoy_config
from tests.support.fakes.triton import FakeTriton, fake_triton
from tests.support.gateways.process import GatewayProcess
from tests.support.gateways.running import write
from tests.support.waiting import until

MIB = 2**20


@dataclass(frozen=True)
class GrpcPlane:
    """What runs; the first of several gateways is `gateway`."""

    gateways: Sequence[GatewayProcess]
    envoy: Envoy
    triton: FakeTriton

    @property
    def address(self) -> str:
        """Where strangers call."""
        return self.envoy.address

    @property
    def gateway(self) -> GatewayProcess:
        return self.gateways[0]

    def envoys(self, name: str) -> int:
        """One of Envoy's numbers."""
        with urlopen(f"http://{self.envoy.admin_address}/stats?filter=^{name}$&format=json", timeout=30) as answer:
            return sum(one.get("value", 0) for one in json.load(answer)["stats"])

    def envoys_mib(self) -> float:
        """What Envoy has allocated."""
        with urlopen(f"http://{self.envoy.admin_address}/memory", timeout=30) as answer:
            return int(json.load(answer)["allocated"]) / MIB


@asynccontextmanager
async def grpc_plane(folder: Path, *flags: str, gateways: int = 1, **settings: Any) -> AsyncIterator[GrpcPlane]:
    """Everything running, on ports that the system chooses.

    `flags` are those of `routerdc envoy-config`, `settings` those of the gateways.
    """
    endpoints = folder / "endpoints.yaml"
    write(endpoints)
    async with AsyncExitStack() as stack:
        triton = await stack.enter_async_context(fake_triton())
        fixed: dict[str, Any] = {"endpoints_file": endpoints, "triton_address": triton.address, "ext_proc_port": 0}
        fixed["deadline_ms"] = 5000
        processes = [GatewayProcess(folder / f"gateway-{i}", **(fixed | settings)) for i in range(gateways)]
        for process in processes:
            await asyncio.to_thread(process.start)
            stack.push_async_callback(asyncio.to_thread, process.process.stop)
        config = folder / "envoy.yaml"
        command = ["--endpoints", str(endpoints), "--out", str(config), "--access-log", str(folder / "access.log")]
        command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *flags]
        command += [f"--gateway={process.ext_proc_address}" for process in processes]
        result = CliRunner().invoke(envoy_config, command)
        assert result.exit_code == 0, result.output
        envoy = Envoy(config, log=folder / "envoy.log")
        stack.callback(envoy.stop)
        await asyncio.to_thread(envoy.start)
        await until(lambda: _serves(envoy.address))
        yield GrpcPlane(processes, envoy, triton)


async def _serves(address: str) -> bool:
    async with aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
        except aio.AioRpcError:
            return False
    return True
