"""Real queries that do not repeat, for as long as a benchmark asks."""

import random
from collections.abc import Iterator
from pathlib import Path

from loadtest.requests.queries import read_queries
from routerdc_contract import SAMPLE_QUERIES_FILE


class Supply:
    """Texts in one fixed random order; from the second time round each has a number in front."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = list(dict.fromkeys(texts))
        random.Random(0).shuffle(self._texts)  # noqa: S311 - a load, no secret
        self._endless = self._all()

    @classmethod
    def of(cls, folder: Path) -> "Supply":
        """Every query of the JSON files in `folder`; where there is no such folder, the queries that are shipped.

        Raises:
            loadtest.requests.queries.QueriesError: a file cannot be used.
        """
        return cls([text for file in files(folder) or [SAMPLE_QUERIES_FILE] for text in read_queries(file)])

    def __len__(self) -> int:
        return len(self._texts)

    def take(self, count: int) -> list[str]:
        """The next `count`."""
        return [next(self._endless) for _ in range(count)]

    def _all(self) -> Iterator[str]:
        yield from self._texts
        turn = 2
        while True:
            yield from (f"{turn}: {text}" for text in self._texts)
            turn += 1


def files(folder: Path) -> list[Path]:
    """The JSON files of test sets in `folder`, in the order of their names."""
    return sorted(folder.glob("test_*/*.json"))
