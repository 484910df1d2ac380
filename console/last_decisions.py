"""The newest decisions in the gateway's decision log, which holds hashes unless it was asked for texts."""

import json
from pathlib import Path
from typing import Any

SHOWN = 20
TAIL_BYTES = 256 * 1024
"""of the log's end that are read: room for the shown lines of a large pool"""

Json = dict[str, Any]


def last_decisions(log: Path) -> list[Json]:
    """The last decisions, newest first; none where nothing was logged yet. Half a line at either end is no decision.

    Raises:
        OSError: the log cannot be read.
    """
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        lines = file.read().splitlines()
    found = [row for line in lines[-SHOWN - 1 :] if (row := _row(line)) is not None]
    return found[-SHOWN:][::-1]


def _row(line: bytes) -> Json | None:
    try:
        logged = json.loads(line)
        asked = logged.get("question") or str(logged["query_hash"])[:12]
        shown = {name: logged[name] for name in ("time", "llm", "reason", "total_ms")}
        return {**shown, "asked": asked}
    except (ValueError, KeyError, AttributeError):
        return None
