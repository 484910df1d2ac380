"""Slow senders at a real Envoy: how much memory they take, for how long, and what others notice."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.envoy.slow_senders import FLAGS, MAX_HEAP_MIB, memory_mib, peak_mib
from tests.e2e.envoy_fixtures import Plane, data_plane
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio
HELLO: Any = [{"role": "user", "content": "hello"}]


async def given_back(plane: Plane, before: float) -> bool:
    return await memory_mib(plane) < before + 16


async def test_unfinished_bodies_neither_swell_envoy_nor_stay(tmp_path: Path) -> None:
    async with data_plane(tmp_path, flags=FLAGS) as plane:
        before = await memory_mib(plane)
        peak, lines = await peak_mib(plane)
        answers = {line.split(b" ")[1] if line else b"reset" for line in lines}
        assert b"503" in answers <= {b"408", b"503", b"reset"}
        assert peak < MAX_HEAP_MIB + 64
        await until(lambda: given_back(plane, before))
        assert (await plane.client.chat.completions.create(model="auto", messages=HELLO)).model
