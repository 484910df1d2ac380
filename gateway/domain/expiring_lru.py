"""A bounded memory: the least recently used entries go first, and none is older than its time.

The score cache and the sessions are kept in one each. cachetools' TTLCache does the same and takes six times as long
for a hit (docs/explanation/gateway.md).
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringLru(Generic[K, V]):
    """Values by key."""

    def __init__(self, *, max_entries: int, ttl_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts empty; the time of an entry begins when it is put."""
        self._max_entries = max_entries
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value of `key`, which counts as used now; None where there is none, or it is too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires, value = entry
        if self._clock() >= expires:  # what is put in its place counts as new
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Keeps `value` for `key`, which counts as used now."""
        self._entries[key] = (self._clock() + self._ttl_seconds, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Forgets the least recently used entry; there is one."""
        self._entries.popitem(last=False)
