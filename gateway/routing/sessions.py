"""Which LLM answered each session last: a bounded memory, least recently used out first, nothing older than its time.

Keys are hashes: session ids, which may name people, are not kept. One process's memory; does not know policy.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b


class Sessions:
    """LLMs by session."""

    def __init__(
        self, max_entries: int = 50_000, ttl_seconds: float = 3600.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_entries = max_entries
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._entries: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def llm(self, session_id: str) -> str | None:
        """The LLM that answered the session last; None for a new session, and for the empty id (no session)."""
        entry = self._entries.get(_key(session_id)) if session_id else None
        if entry is None or self._clock() >= entry[0]:
            return None
        return entry[1]

    def remember(self, session_id: str, llm: str) -> None:
        """`llm` answers the session now."""
        if not session_id:
            return
        key = _key(session_id)
        self._entries[key] = (self._clock() + self._ttl_seconds, llm)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)


def _key(session_id: str) -> bytes:
    return blake2b(session_id.encode(), digest_size=16).digest()
