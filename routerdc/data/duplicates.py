"""Queries that stand in data sets more than once: leaks from test to train, and rows that count double.

Two queries are the same if they agree but for case and white space.
"""

from collections import Counter
from collections.abc import Iterable, Sequence


def repeated(queries: Sequence[str]) -> int:
    """How many queries stand in this data set a second, third, … time."""
    return len(queries) - len(_keys(queries))


def contained(queries: Sequence[str], others: Iterable[str]) -> int:
    """How many of the queries also stand among others."""
    known = set(_keys(others))
    return sum(count for key, count in _keys(queries).items() if key in known)


def _keys(queries: Iterable[str]) -> Counter[int]:
    """Hashes instead of texts: a large data set's queries need not be in memory twice."""
    return Counter(map(key, queries))


def key(query: str) -> int:
    """Equal for queries that are the same; of this process alone."""
    return hash(" ".join(query.casefold().split()))
