"""Which LLM answered each session last, as far as one process remembers it.

Only for queries that come without their history; a chat's LLM is recomputed (`gateway.routing.history`). Keys are
hashes: session ids, which may name people, are not kept. Each caller has sessions of its own, and where there are too
many, one is forgotten of the caller who has most: so nobody who invents ids makes others' conversations forgotten.
Does not know policy.
"""

import time
from collections.abc import Callable
from hashlib import blake2b

from gateway.config.groups import SessionLimits
from gateway.domain.expiring_lru import ExpiringLru


class Sessions:
    """LLMs by caller and session; without API keys all callers are one, named by the empty text."""

    def __init__(self, limits: SessionLimits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """None: the limits of the default settings."""
        self._limits = limits or SessionLimits()
        self._clock = clock
        self._by_caller: dict[str, ExpiringLru[bytes, str]] = {}
        self._held = 0  # of all callers

    def __len__(self) -> int:
        return self._held

    def llm(self, session_id: str, caller: str = "") -> str | None:
        """The LLM that answered the session last; None for a new session, and for the empty id (no session)."""
        if not session_id or (known := self._by_caller.get(caller)) is None:
            return None
        before = len(known)
        llm = known.get(_key(session_id))
        self._held += len(known) - before  # one that is too old is gone
        return llm

    def remember(self, session_id: str, llm: str, caller: str = "") -> None:
        """`llm` answers the session now."""
        if not session_id:
            return
        if (known := self._by_caller.get(caller)) is None:
            known = self._by_caller[caller] = ExpiringLru(
                max_entries=self._limits.max_sessions, ttl_seconds=self._limits.session_ttl_seconds, clock=self._clock
            )
        before = len(known)
        known.put(_key(session_id), llm)
        self._held += len(known) - before
        if self._held > self._limits.max_sessions:
            max(self._by_caller.values(), key=len).drop_oldest()
            self._held -= 1


def _key(session_id: str) -> bytes:
    return blake2b(session_id.encode(), digest_size=16).digest()
