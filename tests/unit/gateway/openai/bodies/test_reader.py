"""Where bodies are read: large and dense ones elsewhere, with the same outcome, and nobody waits for them."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.openai.bodies import reader as module
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.reader import MAX_BYTES_HERE, MAX_MARKS_HERE, Reader, ReaderError
from gateway.openai.bodies.reading import read

CHAT = "/v1/chat/completions"
NONE: frozenset[str] = frozenset()


def body(text: str = "hi", **more: Any) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}], **more}).encode()


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    async with Reader() as running:
        yield running


@pytest.mark.parametrize(
    "data",
    [body(), body("x" * MAX_BYTES_HERE), body(tools=[[]] * MAX_MARKS_HERE), body("é" * MAX_BYTES_HERE, seed=1)],
    ids=["small", "large", "dense", "wide"],
)
async def test_outcome_does_not_depend_on_where_it_is_read(reader: Reader, data: bytes) -> None:
    assert await reader.read(CHAT, data, frozenset(("seed",))) == read(CHAT, data, frozenset(("seed",)))


async def test_errors_cross_the_border(reader: Reader) -> None:
    with pytest.raises(OpenAiError) as caught:
        await reader.read(CHAT, b'{"x": "' + b"x" * MAX_BYTES_HERE + b'"}', NONE)
    assert (caught.value.status, caught.value.param) == (400, "model")


async def test_small_bodies_do_not_wait_for_large_ones(reader: Reader) -> None:
    dense = body(x=[[]] * 2_000_000, messages=[[]] * 300_000)
    large = asyncio.create_task(reader.read(CHAT, dense, NONE))
    await asyncio.sleep(0)
    await reader.read(CHAT, body(), NONE)
    assert not large.done()
    assert (await large).model == "auto"


async def test_a_process_that_died_is_an_error_once_and_replaced(reader: Reader) -> None:
    large = body("x" * MAX_BYTES_HERE)
    assert reader._process is not None
    os.kill(reader._process.pid, signal.SIGKILL)
    with pytest.raises(ReaderError):
        await reader.read(CHAT, large, NONE)
    assert (await reader.read(CHAT, large, NONE)).model == "auto"


async def test_a_process_that_hangs_is_replaced(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    large = body("x" * MAX_BYTES_HERE)
    await reader.read(CHAT, large, NONE)
    assert reader._process is not None
    os.kill(reader._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.1)
    with pytest.raises(ReaderError, match="TimeoutError"):
        await reader.read(CHAT, large, NONE)
    monkeypatch.undo()
    assert (await reader.read(CHAT, large, NONE)).model == "auto"


async def test_an_abandoned_question_does_not_answer_the_next(reader: Reader) -> None:
    asked = asyncio.create_task(reader.read(CHAT, body(x=[[]] * 100_000), NONE))
    await asyncio.sleep(0.01)
    asked.cancel()
    other = body("x" * MAX_BYTES_HERE).replace(b"auto", b"other")
    assert (await reader.read(CHAT, other, NONE)).model == "other"


async def test_the_process_ends_with_its_parent() -> None:
    async with Reader() as reader:
        process = reader._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
