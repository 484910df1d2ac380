"""LLM endpoints down, hanging, resetting, failing, talking nonsense, and gateways killed: OpenAI's clients get answers.

A real Envoy in front of demo endpoints; the scorer is scripted to prefer the endpoint that has the fault.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import openai
import pytest

from tests.chaos.conftest import full_only
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import Ask, Call, Load, percentile_ms
from tests.e2e.envoy_fixtures import Plane, data_plane

Seconds = Callable[[float, float], float]

PER_SECOND = 60.0 if FULL else 20.0
ANSWERED = "answered"
FAULTS: dict[str, dict[str, Any]] = {
    "resets connections": {"reset": True},
    "answers 429": {"status": 429},
    "answers 500": {"status": 500},
    "hangs": {"delay_ms": 60_000},
}


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with data_plane(tmp_path, flags=["--first-byte-timeout-seconds", "1"]) as plane:
        yield plane


@pytest.fixture
def babbling() -> Iterator[int]:
    """Port of a server that answers with something that is not HTTP."""
    with _babbling() as port:
        yield port


@contextmanager
def _babbling() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"\x00\x01 this is no HTTP \xff\r\n\r\n")

        Thread(target=babble, daemon=True).start()
        yield server.getsockname()[1]


def asking(plane: Plane) -> Ask:
    """Asks the virtual model by OpenAI's own client."""

    async def ask(query: str) -> str:
        try:
            answer = await plane.client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": query}], timeout=20
            )
        except openai.OpenAIError as error:
            return type(error).__name__
        return ANSWERED if answer.choices[0].message.content else "empty"

    return ask


def all_answered(ledger: Ledger, fault: str, calls: list[Call]) -> None:
    """By one candidate or another."""
    ledger.never(fault, "every request is answered", calls, lambda call: call.outcome != ANSWERED)


@pytest.mark.parametrize("fault", FAULTS if FULL else ["resets connections"])
async def test_failing_endpoint_of_the_first_candidate_fails_no_request(
    plane: Plane, ledger: Ledger, seconds: Seconds, fault: str
) -> None:
    async with Load(asking(plane), PER_SECOND) as running:
        await asyncio.sleep(0.3)
        plane.llms["beta"].behave(**FAULTS[fault])  # the scorer prefers beta
        broken = time.monotonic()
        await asyncio.sleep(seconds(1, 8))
        await running.stop()
    calls = running.between(broken, time.monotonic())
    all_answered(ledger, f"endpoint {fault}", calls)
    ledger.at_most(f"endpoint {fault}", "p99 of answers", percentile_ms(calls, 0.99), 1500, "ms", calls=len(calls))


@full_only
@pytest.mark.parametrize("fault", ["is down", "talks nonsense"])
async def test_endpoint_that_is_no_server_fails_no_request(
    tmp_path: Path, ledger: Ledger, babbling: int, fault: str
) -> None:
    port = babbling if fault == "talks nonsense" else 1
    llms = {"beta": {"address": f"http://127.0.0.1:{port}/v1"}}
    async with data_plane(tmp_path, llms=llms) as plane, Load(asking(plane), PER_SECOND) as running:
        await asyncio.sleep(8)
        await running.stop()
    all_answered(ledger, f"endpoint {fault}", running.calls)


async def test_gateway_that_dies_under_envoy_fails_no_request(plane: Plane, ledger: Ledger, seconds: Seconds) -> None:
    async with Load(asking(plane), PER_SECOND) as running:
        await asyncio.sleep(0.5)
        await plane.gateway.stop(None)
        await asyncio.sleep(seconds(1, 8))
        await running.stop()
    all_answered(ledger, "the only gateway gone under Envoy", running.calls)


@full_only
async def test_slow_scorer_delays_no_openai_request_past_its_deadline(plane: Plane, ledger: Ledger) -> None:
    async with Load(asking(plane), PER_SECOND) as running:
        plane.scorer.faults.clear()
        await asyncio.sleep(1)
        slow = time.monotonic()
        plane.scorer.delays_seconds = _Always(60.0)
        await asyncio.sleep(8)
        await running.stop()
    calls = running.between(slow, time.monotonic())
    all_answered(ledger, "scorer hangs, requests through Envoy", calls)
    # The gateway's deadline is 5 s there, Envoy's for a decision 1 s; the LLM's answer takes its time besides.
    ledger.at_most(
        "scorer hangs, requests through Envoy",
        "p99 of answers",
        percentile_ms(calls, 0.99),
        1200,
        "ms",
        calls=len(calls),
    )


class _Always(dict[str, float]):
    """The same delay for every query."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def get(self, key: str, default: Any = None) -> Any:
        return self._seconds
