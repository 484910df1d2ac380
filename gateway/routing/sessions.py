"""Which LLM answered each session last, as far as one process remembers it.

Only for queries that come without their history; a chat's LLM is recomputed (`gateway.routing.history`). Keys are
hashes: session ids, which may name people, are not kept. Does not know policy.
"""

import time
from collections.abc import Callable
from hashlib import blake2b

from gateway.config.groups import SessionLimits
from gateway.domain.expiring_lru import ExpiringLru


class Sessions:
    """LLMs by session."""

    def __init__(self, limits: SessionLimits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """None: the limits of the default settings."""
        limits = limits or SessionLimits()
        self._llms: ExpiringLru[bytes, str] = ExpiringLru(
            max_entries=limits.max_sessions, ttl_seconds=limits.session_ttl_seconds, clock=clock
        )

    def __len__(self) -> int:
        return len(self._llms)

    def llm(self, session_id: str) -> str | None:
        """The LLM that answered the session last; None for a new session, and for the empty id (no session)."""
        return self._llms.get(_key(session_id)) if session_id else None

    def remember(self, session_id: str, llm: str) -> None:
        """`llm` answers the session now."""
        if session_id:
            self._llms.put(_key(session_id), llm)


def _key(session_id: str) -> bytes:
    return blake2b(session_id.encode(), digest_size=16).digest()
