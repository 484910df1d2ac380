import asyncio
import resource

import pytest

from gateway.app.process import memory
from gateway.app.process.memory import GROWTH_BYTES, c_library_trim, give_back, resident_bytes
from tests.support.waiting import until


async def test_memory_is_given_back_after_growth_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(memory, "LATER_LOOKS", ())
    held, trims = [GROWTH_BYTES], list[int]()
    looking = asyncio.create_task(give_back(trims.append, lambda: held[0]))
    await asyncio.sleep(0.05)
    assert trims == []
    held[0] = 3 * GROWTH_BYTES
    await until(lambda: trims)
    await asyncio.sleep(0.05)
    assert trims == [0]
    looking.cancel()


async def test_what_is_freed_long_after_a_growth_is_given_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(memory, "LATER_LOOKS", (2, 4))
    held, trims = [GROWTH_BYTES], list[int]()
    looking = asyncio.create_task(give_back(trims.append, lambda: held[0]))
    await asyncio.sleep(0.05)
    held[0] = 3 * GROWTH_BYTES
    await until(lambda: len(trims) == 3)
    await asyncio.sleep(0.1)
    assert len(trims) == 3
    looking.cancel()


def test_the_c_library_of_this_system_gives_back_what_is_free_between_what_is_held() -> None:
    trim = c_library_trim()
    if trim is None:
        pytest.skip("no malloc_trim here")
    before = resident_bytes()
    pieces = [bytes(60_000) for _ in range(4000)]  # small enough to come from the heap
    kept = pieces[::50]
    full = resident_bytes() - before
    del pieces
    trim(0)
    assert resident_bytes() - before < full / 3
    assert kept


def test_what_is_held_is_known_without_a_free_file_descriptor() -> None:
    assert resident_bytes() > 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        assert resident_bytes() > 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
