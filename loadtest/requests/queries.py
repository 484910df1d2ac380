"""What is asked in a load test: queries from a file, some of them again and again, most of them never seen before.

Repeated ones are drawn by Zipf's law from a fixed set (the second most popular half as often as the first, and so on),
the same in every process, so that a cache meets what it meets in production. The others are made distinct by a number
in front. Lengths are the file's, or log-normal, as lengths of real prompts are about distributed.
"""

import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from routerdc_contract import SAMPLE_QUERIES_FILE

_TEXT_FIELDS = ("query", "question")


class QueriesError(ValueError):
    """A file that holds no queries; the message names it and the line."""


class QuerySettings(BaseModel):
    """How the mix is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: Path = Field(
        SAMPLE_QUERIES_FILE, description="JSON Lines or a JSON array with `query` or `question` in each row"
    )
    repeat_share: float = Field(0.3, ge=0, le=1, description="share of queries that were asked before")
    popular_queries: int = Field(200, ge=1, description="how many queries are asked again and again")
    median_words: float | None = Field(None, gt=0, description="half of the queries are shorter; unset: as in the file")
    words_sigma: float = Field(0.8, ge=0, le=3, description="spread of the lengths: standard deviation of their log")


class QueryMix:
    """An endless supply of queries."""

    def __init__(self, settings: QuerySettings, seed: int | None = None) -> None:
        """`seed` None: other queries every time, but for the popular ones.

        Raises:
            QueriesError: the file cannot be used.
        """
        self._texts = read_queries(settings.queries)
        self._settings = settings
        self._random = random.Random(0)  # noqa: S311 - a load, no secret
        self._popular = [self._text() for _ in range(settings.popular_queries)]
        self._popularity = list(itertools.accumulate(1 / rank for rank in range(1, len(self._popular) + 1)))
        self._random.seed(seed)

    def next(self) -> str:
        """One query, never blank."""
        if self._random.random() < self._settings.repeat_share:
            return self._random.choices(self._popular, cum_weights=self._popularity)[0]
        return f"{self._random.getrandbits(32)}: {self._text()}"

    def _text(self) -> str:
        text, median = self._random.choice(self._texts), self._settings.median_words
        if median is None:
            return text
        words, wanted = (
            text.split(),
            max(1, round(self._random.lognormvariate(math.log(median), self._settings.words_sigma))),
        )
        while len(words) < wanted:
            words += self._random.choice(self._texts).split()
        return " ".join(words[:wanted])


def read_queries(file: Path) -> list[str]:
    """The texts in `file` that are not blank, in order.

    Raises:
        QueriesError: it cannot be read, a row has no text, or there is none at all.
    """
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QueriesError(f"{file}: cannot be read: {error}") from None
    texts = [_text_of(row, f"{file}: row {number}") for number, row in enumerate(_rows(content, file), start=1)]
    if queries := [text for text in texts if text.strip()]:
        return queries
    raise QueriesError(f"{file}: holds no queries")


def _rows(content: str, file: Path) -> list[Any]:
    try:
        if content.lstrip().startswith("["):
            return list(json.loads(content))
        return [json.loads(line) for line in content.splitlines() if line.strip()]
    except json.JSONDecodeError as error:
        raise QueriesError(f"{file}: neither JSON Lines nor a JSON array: {error}") from None


def _text_of(row: Any, where: str) -> str:
    texts = [row[field] for field in _TEXT_FIELDS if field in row] if isinstance(row, dict) else []
    if not texts or not isinstance(texts[0], str):
        raise QueriesError(f"{where}: needs a text in one of the fields {', '.join(_TEXT_FIELDS)}")
    text: str = texts[0]
    return text
