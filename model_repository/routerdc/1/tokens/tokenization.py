"""Texts to token ids, as in training: special tokens counted in the limit, the rest cut off at an end or in the middle.

Knows nothing of batches' shapes or of the engine.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from tokens.word_pieces import ids_of

End = Literal["left", "right"]
Side = Literal["left", "right", "middle"]
"""Where a text that is too long is cut off."""
_SPACE_AFTER_WORD = re.compile(r"(?<=\S)[ \n]")
# Characters that are tokenized at first, for each token that counts: text has 2 to 5. Where that gives too few tokens
# (long words), so many are at most: the work for one text is bounded, whatever it is.
_EXCERPT_CHARS_PER_TOKEN = 8
_MAX_CHARS_PER_TOKEN = 64


class Tokens(NamedTuple):
    """One text. `ids`: (n_tokens,) int32 with the special tokens; `truncated`: the text had more."""

    ids: npt.NDArray[np.int32]
    truncated: bool


class _Body(NamedTuple):
    """Ids of a text without special tokens: all that matter at the end that is kept, or more.

    `excerpt`: the text was not tokenized as a whole; `longer`: it has more tokens, however many are here.
    """

    ids: list[int]
    excerpt: bool
    longer: bool


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
        self._tail = max_tokens // 2 - len(self._after)

    @classmethod
    def load(cls, path: Path, max_tokens: int, truncation_side: Side) -> Self:
        """Reads a `tokenizer.json`."""
        return cls(Tokenizer.from_file(str(path)), max_tokens, truncation_side)

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of every text, in order; one call of the tokenizer for all (another one for odd or long texts).

        Of a text with more than `_MAX_CHARS_PER_TOKEN` characters for each token that counts, only so many are read.
        """
        if self._side != "middle":
            return [self._limited(body, self._side) for body in self._bodies(texts, self._side)]
        bodies = self._bodies(texts, "right")
        long = [i for i, body in enumerate(bodies) if body.excerpt and self._is_cut(body)]
        tails = dict(zip(long, self._bodies([texts[i] for i in long], "left"), strict=True))
        return [self._head_and_tail(body, tails.get(i, body)) for i, body in enumerate(bodies)]

    def _bodies(self, texts: Sequence[str], side: End) -> list[_Body]:
        """Ids of every text that is cut off on `side`, at least as many as there is room for, if it has so many."""
        excerpts = [self._excerpt(text, side) for text in texts]
        bodies = [
            _Body(ids, len(excerpt) < len(text), longer=False)
            for text, excerpt, ids in zip(texts, excerpts, self._ids(excerpts), strict=True)
        ]
        unsure = [i for i, body in enumerate(bodies) if body.excerpt and len(body.ids) <= self._room]
        if unsure:
            longest = [self._longest(texts[i], side) for i in unsure]
            for i, text, ids in zip(unsure, longest, self._ids(longest), strict=True):
                shortened = len(text) < len(texts[i].strip())
                bodies[i] = _Body(ids, shortened, longer=shortened)
        return bodies

    def _is_cut(self, body: _Body) -> bool:
        return body.longer or len(body.ids) > self._room

    def _limited(self, body: _Body, side: End) -> Tokens:
        ids = body.ids[: self._room] if side == "right" else body.ids[max(len(body.ids) - self._room, 0) :]
        return self._tokens(ids, self._is_cut(body))

    def _head_and_tail(self, head: _Body, tail: _Body) -> Tokens:
        if not self._is_cut(head):
            return self._tokens(head.ids, cut=False)
        return self._tokens([*head.ids[: self._room - self._tail], *tail.ids[-self._tail :]], cut=True)

    def _tokens(self, ids: list[int], cut: bool) -> Tokens:
        return Tokens(np.array([*self._before, *ids, *self._after], dtype=np.int32), cut)

    def _excerpt(self, text: str, side: End) -> str:
        """The end of `text` that is kept, cut where a word ends, so that only what may count is tokenized.

        No tokenizer merges across the start of white space, so an excerpt with more tokens than there is room for has
        the same ones there as the whole text. Where it has fewer (a word of a thousand letters), `_bodies` takes
        more.
        """
        limit = self._room * _EXCERPT_CHARS_PER_TOKEN
        if len(text) <= limit:
            return text
        if side == "right":
            return text[: max(text.rfind(" ", 0, limit), text.rfind("\n", 0, limit), 0)].rstrip(" \n")
        space = _SPACE_AFTER_WORD.search(text, len(text) - limit)
        return text[space.start() :] if space else ""

    def _longest(self, text: str, side: End) -> str:
        """As much of `text` as is ever tokenized, white space around it not counted; it may end inside a word."""
        limit = self._room * _MAX_CHARS_PER_TOKEN
        if len(text) <= limit:
            return text
        return text.lstrip()[:limit] if side == "right" else text.rstrip()[-limit:]


def _special_ids(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids that the tokenizer puts before and after a text."""
    encoding = tokenizer.encode("a")
    content = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
    return encoding.ids[: content[0]], encoding.ids[content[-1] + 1 :]
