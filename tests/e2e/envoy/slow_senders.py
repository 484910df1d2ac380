"""Senders of bodies that never end, and how much memory Envoy has allocated."""

import asyncio

from tests.e2e.envoy_fixtures import MIB, Plane

SENDERS, BODY_BYTES, PIECE_BYTES = 60, 8 * MIB, MIB // 4
SECONDS, MAX_HEAP_MIB = 5, 192
FLAGS = ("--request-timeout-seconds", str(SECONDS), "--max-heap-mib", str(MAX_HEAP_MIB))
"""Of an Envoy in which the senders would fill more than twice the heap that it may have."""


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


async def peak_mib(plane: Plane, senders: int = SENDERS) -> tuple[float, list[bytes]]:
    """Lets all of them send; returns the most that Envoy has had, and the first line that each one got."""
    peak = 0.0
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(send_slowly(plane)) for _ in range(senders)]
        while not all(task.done() for task in tasks):
            peak = max(peak, await memory_mib(plane))
            await asyncio.sleep(0.02)
    return peak, [task.result() for task in tasks]
