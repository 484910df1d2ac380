"""How much of callers' bodies the process holds at once, bounded.

Envoy may have many requests in flight and each body may be large; without a bound a burst of them ends the process.
"""


class BodyMemoryError(Exception):
    """There is no room for another body; Envoy goes on without a decision."""


class BodyMemory:
    """Counts the bytes of bodies that wait for their end or for their decision."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Makes room.

        Raises:
            BodyMemoryError: there is none; nothing was taken.
        """
        if self.held_bytes + size_bytes > self._limit_bytes:
            raise BodyMemoryError(f"bodies of {self.held_bytes} bytes are held, the limit is {self._limit_bytes}")
        self.held_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """What was taken is free again."""
        self.held_bytes -= size_bytes
