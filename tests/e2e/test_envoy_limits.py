"""Slow senders at a real Envoy: how much memory they take, for how long, and what others notice."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.envoy_fixtures import MIB, Plane, data_plane
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio
SENDERS, BODY_BYTES, PIECE_BYTES, MAX_HEAP_MIB = 60, 8 * MIB, MIB // 4, 192
HELLO: Any = [{"role": "user", "content": "hello"}]


async def memory_mib(plane: Plane) -> float:
    """What Envoy has allocated."""
    answer = await plane.client._client.get(f"http://{plane.envoy.admin_address}/memory")
    return int(answer.json()["allocated"]) / MIB


async def send_slowly(plane: Plane) -> bytes:
    """Sends a body in pieces, all but its last byte; returns the first line of what comes back, if anything does."""
    host, _, port = plane.envoy.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY_BYTES}\r\n\r\n"
    try:
        writer.write(head.encode() + b" " * (PIECE_BYTES - 1))
        for _ in range(BODY_BYTES // PIECE_BYTES - 1):
            await asyncio.sleep(0.1)
            writer.write(b" " * PIECE_BYTES)
        return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def given_back(plane: Plane, before: float) -> bool:
    return await memory_mib(plane) < before + 16


async def test_unfinished_bodies_neither_swell_envoy_nor_stay(tmp_path: Path) -> None:
    flags = ["--request-timeout-seconds", "5", "--max-heap-mib", str(MAX_HEAP_MIB)]
    async with data_plane(tmp_path, flags=flags) as plane:
        before, peak = await memory_mib(plane), 0.0
        async with asyncio.TaskGroup() as group:
            senders = [group.create_task(send_slowly(plane)) for _ in range(SENDERS)]
            while not all(sender.done() for sender in senders):
                peak = max(peak, await memory_mib(plane))
                await asyncio.sleep(0.02)
        answers = {sender.result().split(b" ")[1] if sender.result() else b"reset" for sender in senders}
        print(f"before {before:.0f} MiB, peak {peak:.0f} MiB, after {await memory_mib(plane):.0f} MiB; {answers}")
        assert answers <= {b"408", b"503", b"reset"}
        assert peak < MAX_HEAP_MIB + 64
        assert b"503" in answers
        await until(lambda: given_back(plane, before))
        assert (await plane.client.chat.completions.create(model="auto", messages=HELLO)).model
