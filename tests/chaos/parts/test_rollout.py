"""A rollout of the gateways while LLMs answer: a decided request needs no gateway, so no answer is cut."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml
from click.testing import CliRunner

from deploy.local.demo.endpoints import DemoEndpoint
from deploy.local.envoy import Envoy
from gateway.envoy_config.command import envoy_config
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import Call
from tests.e2e.envoy_fixtures import RecordingEndpoint
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import fake_triton
from tests.support.gateways.process import GatewayProcess, lasting_port
from tests.support.waiting import until

VARIANTS: dict[str, list[str]] = {
    "open": [],
    "closed": ["--fail-closed"],
    "open duplex": ["--body-mode", "duplex"],
    "closed duplex": ["--fail-closed", "--body-mode", "duplex"],
    "response headers sent": ["--fail-closed"],
}
STREAMS_EACH = 50 if FULL else 4
CHUNK_DELAY_MS = 1600 if FULL else 600
STREAM_SECONDS = 30 if FULL else 10
HELLO: Any = [{"role": "user", "content": "hello"}]


def _envoy(folder: Path, variant: str, endpoints: Path, gateways: list[int]) -> Envoy:
    config = folder / f"{variant}.yaml"
    command = ["--endpoints", str(endpoints), "--out", str(config), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    command += [argument for port in gateways for argument in ("--gateway", f"127.0.0.1:{port}")]
    command += ["--access-log", str(folder / "access.log"), *VARIANTS[variant]]
    result = CliRunner().invoke(envoy_config, command)
    assert result.exit_code == 0, result.output
    if variant == "response headers sent":
        text = config.read_text(encoding="utf-8")
        assert "response_header_mode: SKIP" in text
        config.write_text(text.replace("response_header_mode: SKIP", "response_header_mode: SEND"), encoding="utf-8")
    return Envoy(config, log=folder / f"{variant}.log")


async def _endpoints(stack: AsyncExitStack, folder: Path) -> Path:
    """Endpoints whose streams take longer than STREAM_SECONDS."""
    llms = {}
    for name in BUNDLE.llms:
        llm = RecordingEndpoint(DemoEndpoint(name))
        await llm.start(stack, None)
        llm.behave(chunk_delay_ms=CHUNK_DELAY_MS)
        llms[name] = {"endpoints": [{"address": f"http://127.0.0.1:{llm.port}/v1", "model": name}]}
    path = folder / "endpoints.yaml"
    path.write_text(yaml.safe_dump({"default": ["alpha"], "llms": llms}), encoding="utf-8")
    return path


@pytest.fixture
async def rollout(tmp_path: Path) -> AsyncIterator[tuple[list[GatewayProcess], list[openai.AsyncOpenAI]]]:
    async with AsyncExitStack() as stack:
        endpoints = await _endpoints(stack, tmp_path)
        triton = await stack.enter_async_context(fake_triton())
        gateways, ports = [], [lasting_port(), lasting_port()]
        for number, port in enumerate(ports):
            gateway = GatewayProcess(
                tmp_path / f"gateway-{number}",
                ext_proc_port=port,
                triton_address=triton.address,
                endpoints_file=endpoints,
                grace_seconds=1,
                deadline_ms=5000,
            )
            await asyncio.to_thread(gateway.start)
            stack.push_async_callback(asyncio.to_thread, gateway.process.stop)
            gateways.append(gateway)
        clients = []
        for variant in VARIANTS:
            envoy = _envoy(tmp_path, variant, endpoints, ports)
            stack.callback(envoy.stop)
            await asyncio.to_thread(envoy.start)
            client = openai.AsyncOpenAI(base_url=envoy.base_url, api_key="x", max_retries=0, timeout=120)
            clients.append(await stack.enter_async_context(client))
            await until(partial(_serves, client), 60)
        yield gateways, clients


async def _serves(client: openai.AsyncOpenAI) -> bool:
    try:
        await client.chat.completions.create(model="auto", messages=HELLO)
    except openai.APIStatusError:
        return False
    return True


def _gone(gateway: GatewayProcess) -> bool:
    return not gateway.process.running


async def _stream(client: openai.AsyncOpenAI, begun: list[None]) -> Call:
    sent = time.monotonic()
    stream = await client.chat.completions.create(model="auto", messages=HELLO, stream=True)
    text, outcome = "", "cut"
    try:
        async for chunk in stream:
            begun.append(None)
            text += chunk.choices[0].delta.content or ""
            if chunk.choices[0].finish_reason == "stop" and text.startswith("This is a demo endpoint"):
                outcome = "whole"
    except Exception as error:  # whatever it is, the stream was cut
        outcome = type(error).__name__
    return Call(sent, (time.monotonic() - sent) * 1000, outcome)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_no_stream_is_cut(
    rollout: tuple[list[GatewayProcess], list[openai.AsyncOpenAI]], number: signal.Signals, ledger: Ledger
) -> None:
    gateways, clients = rollout
    begun: list[list[None]] = [[] for _ in range(STREAMS_EACH * len(clients))]
    streams = [asyncio.create_task(_stream(clients[i % len(clients)], seen)) for i, seen in enumerate(begun)]
    await until(lambda: all(begun), 60)
    for gateway in gateways:
        gateway.signal(number)
        await until(partial(_gone, gateway), 20)
        assert not any(stream.done() for stream in streams)  # every one has seen every gateway go
        await asyncio.to_thread(gateway.start)
    calls = await asyncio.gather(*streams)
    assert min(call.waited_ms for call in calls) > STREAM_SECONDS * 1000
    for i, variant in enumerate(VARIANTS):
        fault = f"both gateways replaced by {number.name}, {variant}"
        ledger.never(fault, "no stream is cut", calls[i :: len(VARIANTS)], lambda call: call.outcome != "whole")
