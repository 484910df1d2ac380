"""Triton killed, hanging, slow, failing, and back with another bundle: callers get decisions all the same."""

import asyncio
import json
import math
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from deploy.local.ended_part import EndedPart
from deploy.local.triton.server import TritonPorts, TritonServer
from routerdc_contract import tensors
from routerdc_contract.bundle import Manifest
from tests.chaos.conftest import StartGateway, endpoints_yaml, full_only
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import REAL, Call, Load, channel, routing
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import FakeTriton, fake_triton
from tests.support.gateways.process import GatewayProcess, lasting_port

Seconds = Callable[[float, float], float]

PER_SECOND = 300.0 if FULL else 40.0
DEADLINE_MS = 500.0 if FULL else 5000.0
HASTY_MS = 100.0
BACK_SECONDS = 2.0 if FULL else 1.0
UNDECIDED_SHARE = 0.0001  # of admitted calls


@asynccontextmanager
async def load(address: str, per_second: float = PER_SECOND, deadline_ms: float = DEADLINE_MS) -> AsyncIterator[Load]:
    """Load on one gateway, warmed up."""
    async with channel(address) as connection, Load(routing(connection, deadline_ms), per_second) as running:
        await asyncio.sleep(1 if FULL else 0.2)
        yield running


def judge(ledger: Ledger, fault: str, calls: list[Call], deadline_ms: float = DEADLINE_MS) -> None:
    """What holds under every fault of Triton."""
    goal = f"{1 - UNDECIDED_SHARE:.2%} of calls"
    ledger.never(
        fault, "a decision, real or marked", calls, lambda c: not c.decided, goal=goal, allowed_share=UNDECIDED_SHARE
    )
    late = deadline_ms * 1.1
    ledger.never(fault, f"nobody waits past {late:.0f} ms", calls, lambda c: c.waited_ms > late, timed=True)


def judge_return(ledger: Ledger, fault: str, running: Load, ready: float) -> None:
    """Real decisions again, soon after Triton is `ready`."""
    goal = f"≤ {BACK_SECONDS:g} s after ready"
    after = running.between(ready + BACK_SECONDS, time.monotonic())
    ledger.never(fault, "real decisions again", after, lambda c: c.outcome not in REAL, goal=goal, timed=True)
    late = [call.sent - ready for call in running.between(ready, time.monotonic()) if call.outcome not in REAL]
    ledger.at_most(fault, "last fallback after ready", max(late, default=0.0), BACK_SECONDS, "s", calls=len(after))


async def test_killed_triton_costs_no_decision_and_is_used_as_soon_as_it_is_back(
    model_repository: Path, triton_platform: None, start_gateway: StartGateway, tmp_path: Path, ledger: Ledger,
    seconds: Seconds,
) -> None:  # fmt: skip
    ports = TritonPorts(0, lasting_port(), 0)
    first = TritonServer(model_repository, log=tmp_path / "first.log", ports=ports)
    await asyncio.to_thread(first.start)
    gateway = await asyncio.to_thread(start_gateway, first.grpc_address)
    async with load(gateway.address) as running:
        killed = time.monotonic()
        os.killpg(first.process.pid, signal.SIGKILL)
        await asyncio.sleep(seconds(1, 35))
        second = TritonServer(model_repository, log=tmp_path / "second.log", ports=ports)
        async with started(second):
            ready = time.monotonic()
            await asyncio.sleep(BACK_SECONDS + seconds(0.2, 10))
            await running.stop()
    dead = running.between(killed, ready)
    judge(ledger, "Triton killed (-9)", dead)
    judge_return(ledger, "Triton started again", running, ready)


@pytest.fixture
async def own_triton(model_repository: Path, triton_platform: None, tmp_path: Path) -> AsyncIterator[TritonServer]:
    """One that may end, and comes back on the same ports."""
    ports = TritonPorts(0, lasting_port(), 0)
    async with started(TritonServer(model_repository, log=tmp_path / "triton.log", ports=ports)) as triton:
        yield triton


async def test_stopped_or_slow_triton_costs_no_decision(
    own_triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    triton, gateway = own_triton, await asyncio.to_thread(start_gateway, own_triton.grpc_address)
    hasty = load(gateway.address, PER_SECOND / 5, HASTY_MS)  # callers with less time than the gateway's own deadline
    async with load(gateway.address) as running, hasty as in_a_hurry:
        stopped = time.monotonic()
        with frozen(triton):
            await asyncio.sleep(seconds(1, 35))
        await looked_after(triton, seconds(1, 5))
        ready = time.monotonic()
        await asyncio.sleep(BACK_SECONDS + seconds(0.2, 10))
    judge(ledger, "Triton stopped (SIGSTOP)", running.between(stopped, ready))
    judge_return(ledger, "Triton continued (SIGCONT)", running, ready)
    impatient = in_a_hurry.between(stopped, ready)
    fault, late = f"Triton stopped, callers with {HASTY_MS:g} ms", HASTY_MS * 1.1
    ledger.never(fault, f"nobody waits past {late:g} ms", impatient, lambda c: c.waited_ms > late, timed=True)
    ledger.never(
        fault, "a decision within their time", impatient, lambda c: not c.decided, goal="99 %", allowed_share=0.01,
        timed=True,
    )  # fmt: skip
    slow = await crawling(gateway.address, triton, seconds(1, 15))
    judge(ledger, "Triton slow (stopped 4/5 of the time)", slow)


async def crawling(address: str, triton: TritonServer, seconds: float) -> list[Call]:
    """What callers get from a Triton that stands still for 200 ms of every 250."""
    async with load(address) as running:
        begun = time.monotonic()
        while time.monotonic() < begun + seconds:
            with frozen(triton):
                await asyncio.sleep(0.2)
            await asyncio.sleep(0.05)
    return running.between(begun, time.monotonic())


async def looked_after(triton: TritonServer, seconds: float) -> None:
    """As by `routerdc serve`, for `seconds` and until it runs: one that stood still may end when it goes on."""
    keeper, end = EndedPart(triton, "the default LLMs answer"), time.monotonic() + seconds
    while time.monotonic() < end or not triton.process.running:
        await asyncio.to_thread(keeper.look)
        await asyncio.sleep(0.05)


@asynccontextmanager
async def started(triton: TritonServer) -> AsyncIterator[TritonServer]:
    """Running, without holding up the event loop."""
    await asyncio.to_thread(triton.start)
    try:
        yield triton
    finally:
        await asyncio.to_thread(triton.stop)


@contextmanager
def frozen(triton: TritonServer) -> Iterator[None]:
    """SIGSTOP, for the server and the processes of its models."""
    os.killpg(triton.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(triton.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("fault", [*(["INTERNAL", "UNAVAILABLE", "RESOURCE_EXHAUSTED"] if FULL else []), "garbage"])
async def test_triton_that_answers_errors_costs_no_decision(
    failing_triton: FakeTriton, gateway_of_failing: GatewayProcess, ledger: Ledger, seconds: Seconds, fault: str
) -> None:
    triton, name = failing_triton, f"Triton answers {fault}"
    async with load(gateway_of_failing.address) as running:
        failing = time.monotonic()
        if fault == "garbage":
            triton.score = math.nan
        else:
            triton.fault = grpc.StatusCode[fault]
        await asyncio.sleep(seconds(0.5, 8))
        ready, triton.fault, triton.score = time.monotonic(), None, 1.0
        await asyncio.sleep(BACK_SECONDS + seconds(0.2, 3))
    judge(ledger, name, running.between(failing, ready))
    judge_return(ledger, f"{name}, then works", running, ready)


@pytest.fixture
async def failing_triton() -> AsyncIterator[FakeTriton]:
    """A stand-in that fails on command, which a real Triton does not."""
    async with fake_triton() as triton:
        yield triton


@pytest.fixture
async def gateway_of_failing(failing_triton: FakeTriton, start_gateway: StartGateway, tmp_path: Path) -> GatewayProcess:
    """In front of the stand-in."""
    file = tmp_path / "three.yaml"
    file.write_text(endpoints_yaml(BUNDLE.llms), encoding="utf-8")
    return await asyncio.to_thread(start_gateway, failing_triton.address, endpoints_file=file)


@full_only
async def test_another_bundle_is_used_by_its_names_or_not_at_all(
    model_repository: Path, triton_platform: None, start_gateway: StartGateway, tmp_path: Path, manifest: Manifest,
    ledger: Ledger,
) -> None:  # fmt: skip
    names, ports = manifest.llm_names, TritonPorts(0, lasting_port(), 0)
    shuffled = other_bundle(model_repository, tmp_path / "shuffled", (*names[1:], names[0]))
    renamed = other_bundle(model_repository, tmp_path / "renamed", (*names[1:], "unheard-of"))
    first = TritonServer(model_repository, log=tmp_path / "first.log", ports=ports)
    await asyncio.to_thread(first.start)
    gateway = await asyncio.to_thread(start_gateway, first.grpc_address)
    async with load(gateway.address) as running:
        await asyncio.to_thread(first.stop)
        async with started(TritonServer(renamed, log=tmp_path / "renamed.log", ports=ports)):
            wrong = time.monotonic()
            await asyncio.sleep(8)
            wrong_end = time.monotonic()
        async with started(TritonServer(shuffled, log=tmp_path / "shuffled.log", ports=ports)):
            ready = time.monotonic()
            await asyncio.sleep(BACK_SECONDS + 8)
            await running.stop()
    judge(ledger, "Triton back with other names", running.between(wrong, wrong_end))
    seen = running.between(wrong, wrong_end)
    ledger.never("Triton back with other names", "columns are never guessed", seen, lambda c: c.outcome in REAL)
    judge(ledger, "Triton back with another bundle", running.between(ready, time.monotonic()))
    judge_return(ledger, "Triton back with another bundle", running, ready)


def other_bundle(repository: Path, copy: Path, names: tuple[str, ...]) -> Path:
    """The same model under another bundle id, its columns named otherwise."""
    shutil.copytree(repository, copy)
    path = copy / tensors.ROUTER_MODEL / "config.pbtxt"
    config = text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    was = config.parameters[tensors.PARAMETER_BUNDLE_ID].string_value
    for file in (path, *copy.rglob("*.json")):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(was, was[::-1]), encoding="utf-8")
    config = text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    config.parameters[tensors.PARAMETER_LLMS].string_value = json.dumps(names)
    path.write_text(text_format.MessageToString(config), encoding="utf-8")
    return copy
