"""Callers that never end their bodies: Envoy's memory stays within its limit, and comes back."""

import asyncio
from pathlib import Path

from tests.chaos.ledger import Ledger
from tests.e2e.envoy.slow_senders import BODY_BYTES, FLAGS, MAX_HEAP_MIB, SECONDS, SENDERS, memory_mib, peak_mib
from tests.e2e.envoy_fixtures import MIB, data_plane

FAULT = f"{SENDERS} callers send {BODY_BYTES // MIB} MiB each but for the last byte"


async def test_memory_stays_within_its_limit_and_comes_back(tmp_path: Path, ledger: Ledger) -> None:
    async with data_plane(tmp_path, flags=FLAGS) as plane:
        before = await memory_mib(plane)
        peak, lines = await peak_mib(plane)
        ledger.at_most(FAULT, "Envoy's memory at its peak", peak, MAX_HEAP_MIB + 64, "MiB", calls=SENDERS)
        await asyncio.sleep(SECONDS)
        ledger.at_most(FAULT, "memory that stays afterwards", await memory_mib(plane) - before, 16, "MiB", timed=False)
        unanswered = sum(not line.startswith((b"HTTP/1.1 408", b"HTTP/1.1 503")) for line in lines if line)
        ledger.at_most(FAULT, "other answers than 408 and 503", unanswered, 0, "answers", calls=SENDERS, timed=False)
