"""Endpoints that answer anything but what they should: nothing crashes, and no budget is exceeded."""

import asyncio
import gzip
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from labelling.asking.asker import Manner
from labelling.asking.bounded import MAX_ANSWER_BYTES
from labelling.asking.outcome import retry_after
from labelling.collect.run import Report, collect
from labelling.pool.endpoints import Endpoint, Llm, PoolFile
from labelling.store.records import Answer
from labelling.store.store import Store
from tests.integration.labelling.test_collect import chats

MESSAGE = {"role": "assistant", "content": "The answer is 4."}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}
UNREADABLE = "failed: not a chat completion"
LIMIT = 0.01


def completion(**changed: Any) -> bytes:
    whole = {"choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}], "usage": USAGE, **changed}
    return json.dumps(whole).encode()


def said(content: Any) -> bytes:
    return completion(choices=[{"message": {"content": content}, "finish_reason": "stop"}])


@asynccontextmanager
async def answering(
    body: bytes, kind: str = "application/json", head: bytes = b"", status: bytes = b"200 OK"
) -> AsyncIterator[PoolFile]:
    """A server that says the same to everybody, byte for byte."""
    length = b"Connection: close\r\n" + (b"" if b"length" in head.lower() else b"Content-Length: %d\r\n" % len(body))
    whole = b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind.encode() + b"\r\n" + length + head + b"\r\n" + body

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(whole)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(address=f"http://127.0.0.1:{port}/v1", model="a")
        yield PoolFile(llms={"a": Llm(price=1.0, endpoints=(endpoint,))})


async def asked(folder: Path, pool: PoolFile, count: int = 1, **manner: Any) -> tuple[Report, Answer, float]:
    prompts = chats(count)
    with Store(folder / "labels.db") as store:
        store.add_prompts(prompts)
        cells = [(prompt.key, "a") for prompt in prompts]
        manners = Manner(**{"attempts": 1, "timeout_seconds": 20.0, **manner})
        report = await collect(cells, pool, store, {"max_tokens": 50}, max_usd=LIMIT, manner=manners)
        return report, next(store.answers()).answer, store.spent_usd()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Sign in</html>", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe\x00", b"[" * 100_000,
     b'{"choices": 7}', b'{"choices": [null]}', b'{"choices": [{}]}', b'{"choices": {"a": 1}}', b'{"id": "x"}',
     completion(choices=[{"message": None}]), completion(choices=[{"message": "x"}]),
     said(7), said({"a": 1}), said([{"type": "text", "text": "x"}])],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["application/json", "text/html"])
async def test_what_is_no_completion_is_missing_and_booked_in_full(tmp_path: Path, body: bytes, kind: str) -> None:
    async with answering(body, kind) as pool:
        report, answer, spent = await asked(tmp_path, pool)
    assert (report.answered, answer.text) == (0, None)
    assert answer.missing in (UNREADABLE, "empty answer")
    assert 0 < spent <= LIMIT


@pytest.mark.parametrize(
    "usage",
    [None, {}, 7, {"prompt_tokens": -(10**9), "completion_tokens": -(10**9)}, {**USAGE, "prompt_tokens": "ten"},
     {**USAGE, "completion_tokens": float("nan")}, {**USAGE, "prompt_tokens": 10**400}, {**USAGE, "prompt_tokens": 1.5},
     {**USAGE, "prompt_tokens": True}, {"prompt_tokens": 10}],
)  # fmt: skip
async def test_tokens_that_cannot_be_believed_are_booked_at_the_most(tmp_path: Path, usage: Any) -> None:
    async with answering(completion(usage=usage)) as pool:
        report, answer, spent = await asked(tmp_path, pool)
    assert (report.answered, answer.prompt_tokens) == (1, None)
    assert 50e-6 < spent <= LIMIT  # the fifty tokens it may write, and the prompt


async def test_half_a_surrogate_pair_is_kept_as_a_question_mark(tmp_path: Path) -> None:
    async with answering(said("x\ud800y\0")) as pool:
        assert (await asked(tmp_path, pool))[1].text == "x?y\0"


@pytest.mark.parametrize(
    "head",
    [b"Content-Encoding: gzip\r\n", b"Content-Length: 9\r\n", b"Content-Length: 99999\r\n", b"no header\r\n",
     b"Location: /v1/chat/completions\r\n"],
)  # fmt: skip
async def test_broken_http_is_missing(tmp_path: Path, head: bytes) -> None:
    async with answering(completion(), head=head) as pool:
        report, answer, spent = await asked(tmp_path, pool, timeout_seconds=3.0)
    assert answer.missing is None or answer.missing.startswith("failed: ")
    assert report.answered == (answer.missing is None)
    assert 0 < spent <= LIMIT


async def test_an_answer_that_drips_without_an_end_is_given_up(tmp_path: Path) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1\r\n \r\n")
            await asyncio.sleep(0.02)

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        pool = PoolFile(llms={"a": Llm(price=1.0, endpoints=(Endpoint(address=address, model="a"),))})
        report, answer, _ = await asyncio.wait_for(asked(tmp_path, pool, timeout_seconds=0.5), 60)
    assert (report.answered, answer.missing) == (0, "failed: no answer in time")


async def test_an_answer_without_an_end_is_left_after_what_an_answer_can_have(tmp_path: Path) -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"10000\r\n" + b" " * 2**16 + b"\r\n")
                sent += 2**16
                await writer.drain()

    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        pool = PoolFile(llms={"a": Llm(price=1.0, endpoints=(Endpoint(address=address, model="a"),))})
        _, answer, _ = await asyncio.wait_for(asked(tmp_path, pool), 60)
    assert answer.missing == UNREADABLE
    assert sent < 2 * MAX_ANSWER_BYTES


async def test_an_answer_that_inflates_too_far_is_left_as_well(tmp_path: Path) -> None:
    bomb = gzip.compress(said("x" * 2 * MAX_ANSWER_BYTES))
    async with answering(bomb, head=b"Content-Encoding: gzip\r\n") as pool:
        assert (await asked(tmp_path, pool))[1].missing == UNREADABLE


@pytest.mark.parametrize(("status", "spent"), [(b"429 Slow down", False), (b"504 Gateway Timeout", True)])
async def test_an_llm_that_never_answers_is_asked_no_more(tmp_path: Path, status: bytes, spent: bool) -> None:
    async with answering(b"my secret", status=status) as pool:
        report, _, dollars = await asked(tmp_path, pool, count=60, concurrency=2)
    failed = f"failed: HTTP {status[:3].decode()}"
    (reason,) = report.not_asked
    assert reason == f"a: 20 calls in a row failed, the last: {failed}"
    assert 20 <= report.missing[failed] <= 22
    assert report.missing[failed] + report.not_asked[reason] == 60
    assert (dollars > 0) == spent
    assert dollars <= LIMIT


async def test_a_second_interrupt_gives_up_what_is_in_flight(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asking.set()
        await asyncio.Event().wait()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        pool = PoolFile(llms={"a": Llm(price=1.0, endpoints=(Endpoint(address=address, model="a"),))})
        with Store(tmp_path / "labels.db") as store:
            store.add_prompts(prompts := chats(2))
            cells = [(prompt.key, "a") for prompt in prompts]
            running = asyncio.ensure_future(collect(cells, pool, store, {"max_tokens": 50}, max_usd=LIMIT))
            await asking.wait()
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(0.1)
            report = await asyncio.wait_for(running, 60)
            spent = store.spent_usd()
    assert (report.answered, report.missing) == (0, {})
    assert 0 < spent <= LIMIT  # what is in flight may be charged
    assert "waiting for the calls in flight" in capsys.readouterr().err


@pytest.mark.parametrize(
    "header", ["", "soon", "nan", "inf", "-inf", "-5", "1e999", "Wed, 99 Foo 2026 99:99:99 GMT", "0" * 5000, "\0"]
)
def test_whatever_retry_after_says_is_seconds_or_nothing(header: str) -> None:
    assert (found := retry_after(header)) is None or found >= 0
