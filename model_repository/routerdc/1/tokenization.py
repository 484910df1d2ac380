"""Texts to token ids, as in training: special tokens counted in the limit, the rest cut off on one side.

Knows nothing of batches' shapes or of the engine.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from word_pieces import ids_of

Side = Literal["left", "right"]
_SPACE_AFTER_WORD = re.compile(r"(?<=\S)[ \n]")
# Characters that are tokenized at first, for each token that counts: text has 2 to 5. Where that gives too few tokens
# (long words), so many are at most: the work for one text is bounded, whatever it is.
_EXCERPT_CHARS_PER_TOKEN = 8
_MAX_CHARS_PER_TOKEN = 64


class Tokens(NamedTuple):
    """One text. `ids`: (n_tokens,) int32 with the special tokens; `truncated`: the text had more."""

    ids: npt.NDArray[np.int32]
    truncated: bool


class Tokenization:
    """A tokenizer with its limit."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, truncation_side: Side) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._ids = ids_of(tokenizer)
        self._side = truncation_side
        self._before, self._after = _special_ids(tokenizer)
        self.max_tokens = max_tokens
        self._room = max_tokens - len(self._before) - len(self._after)

    @classmethod
    def load(cls, path: Path, max_tokens: int, truncation_side: Side) -> Self:
        """Reads a `tokenizer.json`."""
        return cls(Tokenizer.from_file(str(path)), max_tokens, truncation_side)

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of every text, in order; one call of the tokenizer for all (a second one for odd long texts).

        Of a text with more than `_MAX_CHARS_PER_TOKEN` characters for each token that counts, only so many are read.
        """
        excerpts = [self._excerpt(text) for text in texts]
        bodies = self._ids(excerpts)
        unsure = [i for i, body in enumerate(bodies) if len(excerpts[i]) < len(texts[i]) and len(body) <= self._room]
        cut = set()
        if unsure:
            longer = [self._longest(texts[i]) for i in unsure]
            for i, text, body in zip(unsure, longer, self._ids(longer), strict=True):
                bodies[i] = body
                if len(text) < len(texts[i].strip()):
                    cut.add(i)
        return [self._limited(body, cut=i in cut) for i, body in enumerate(bodies)]

    def _limited(self, body: list[int], *, cut: bool) -> Tokens:
        kept = body[: self._room] if self._side == "right" else body[max(len(body) - self._room, 0) :]
        return Tokens(np.array([*self._before, *kept, *self._after], dtype=np.int32), cut or len(body) > self._room)

    def _excerpt(self, text: str) -> str:
        """The end of `text` that is kept, cut where a word ends, so that only what may count is tokenized.

        No tokenizer merges across the start of white space, so an excerpt with more tokens than there is room for has
        the same ones there as the whole text. Where it has fewer (a word of a thousand letters), `encode` takes
        more.
        """
        limit = self._room * _EXCERPT_CHARS_PER_TOKEN
        if len(text) <= limit:
            return text
        if self._side == "right":
            return text[: max(text.rfind(" ", 0, limit), text.rfind("\n", 0, limit), 0)].rstrip(" \n")
        space = _SPACE_AFTER_WORD.search(text, len(text) - limit)
        return text[space.start() :] if space else ""

    def _longest(self, text: str) -> str:
        """As much of `text` as is ever tokenized, white space around it not counted; it may end inside a word."""
        limit = self._room * _MAX_CHARS_PER_TOKEN
        if len(text) <= limit:
            return text
        return text.lstrip()[:limit] if self._side == "right" else text.rstrip()[-limit:]


def _special_ids(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids that the tokenizer puts before and after a text."""
    encoding = tokenizer.encode("a")
    content = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
    return encoding.ids[: content[0]], encoding.ids[content[-1] + 1 :]
