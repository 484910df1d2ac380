"""The pool in use: one reference for everybody who needs it, so that a reload replaces it for all of them at once."""

from gateway.pool.pool import Pool


class PoolRef:
    """Holds the pool. A query reads `current` once and keeps what it got, whatever is loaded in between."""

    def __init__(self, pool: Pool) -> None:
        self.current = pool
