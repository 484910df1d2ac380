"""The query out of a chat: one rule for every door.

What is routed is the conversation, not the last message alone:

1. Only what users wrote counts. System prompts, assistants' answers and tools' results do not change the subject.
2. Wrappers that agents put around the ask (system reminders, retrieved documents, file listings) do not count.
3. Each of the last user texts counts, the newest most; a short reply ("yes", "continue", "now in French") counts
   little, so that it inherits from what was asked before.
4. The first user text, the opener, is always among them: from it and what follows every replica recomputes which LLM
   the conversation has had (see `gateway.routing.history`), without a memory of its own.

Does not know protobuf, JSON or who scores.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from gateway.domain.wrappers import asks_nothing, without_wrappers

MAX_TURN_BYTES = 64 * 1024
"""More of one text is never scored."""
RECENT_TURNS = 4
"""User texts that are scored beside the opener."""
NO_TEXT_IN_LAST = "the last user message asks nothing in text, so that the texts before it decide"
_MAX_READ_CHARS = 2 * MAX_TURN_BYTES
_MAX_LOOKED_AT = 32
_MAX_LOOKED_AT_CHARS = 256 * 1024
_WHOLE_WEIGHT_LETTERS = 48
"""A user text of so many letters counts fully; half of it counts a quarter."""
_HAN = re.compile("[\u2e80-\u2fdf\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


class Message(NamedTuple):
    """A message of a chat: its role, and the text of all its text parts."""

    role: str
    text: str


class Turn(NamedTuple):
    """A user text: what is asked in it, how much it counts beside others, and how long the chat was by then."""

    text: str
    weight: float
    chat_bytes: int  # UTF-8 bytes of all messages before this one


class Conversation(NamedTuple):
    """What is routed: `turns[-1]` is the newest. No turns: no user has written any text."""

    turns: tuple[Turn, ...]
    total_bytes: int  # UTF-8 bytes of all messages
    truncated: bool = False  # the newest text was longer than what is read
    note: str = ""  # what people should know of how it was read

    @property
    def text(self) -> str:
        """The newest ask; empty where there is none."""
        return self.turns[-1].text if self.turns else ""

    @property
    def other_bytes(self) -> int:
        """UTF-8 bytes of everything else."""
        return max(0, self.total_bytes - len(self.text.encode()))

    def within(self, max_bytes: int) -> "Conversation":
        """The same with at most `max_bytes` of each text, from both ends."""
        if max_bytes >= MAX_TURN_BYTES:
            return self
        turns = tuple(turn._replace(text=cut(turn.text, max_bytes)) for turn in self.turns)
        truncated = self.truncated or (bool(turns) and turns[-1].text != self.text)
        return self._replace(turns=turns, truncated=truncated)


def conversation(messages: Sequence[Message]) -> Conversation:
    """Reads a chat: its messages of every role, in their order. Of a text over `MAX_TURN_BYTES` both ends count."""
    kept = _asks(messages, stripped=True) or _asks(messages, stripped=False)
    before, total_bytes = _bytes_before(messages)
    turns = tuple(Turn(cut(text, MAX_TURN_BYTES), _weight(text), before[at]) for at, text in kept)
    truncated = bool(turns) and len(turns[-1].text) < len(kept[-1][1])
    last_user = max((i for i, message in enumerate(messages) if message.role == "user"), default=0)
    note = NO_TEXT_IN_LAST if turns and kept[-1][0] < last_user else ""
    return Conversation(turns, total_bytes, truncated, note)


def cut(text: str, max_bytes: int) -> str:
    """`text`, or of a longer one its beginning and its end: what is asked mostly stands at one of them."""
    if len(text) * 4 <= max_bytes or len(data := text.encode()) <= max_bytes:
        return text
    half = max_bytes // 2
    return data[: max_bytes - half].decode(errors="ignore") + data[-half:].decode(errors="ignore")


def _asks(messages: Sequence[Message], *, stripped: bool) -> list[tuple[int, str]]:
    """Index and text of the user messages that count: the first that asks something, and the last `RECENT_TURNS`.

    Looked for among the `_MAX_LOOKED_AT` texts at each end, and no further than `_MAX_LOOKED_AT_CHARS` of texts that
    ask nothing, so that the work is bounded, whatever the chat is.
    """
    users = [i for i, message in enumerate(messages) if message.role == "user" and message.text]
    opener = next(_asking(messages, users[:_MAX_LOOKED_AT], stripped=stripped), None)
    if opener is None:
        return []
    later = [i for i in users[: -_MAX_LOOKED_AT - 1 : -1] if i > opener[0]]
    recent = list(islice(_asking(messages, later, stripped=stripped), RECENT_TURNS))
    return [opener, *reversed(recent)]


def _asking(messages: Sequence[Message], looked_at: Iterable[int], *, stripped: bool) -> Iterator[tuple[int, str]]:
    """Those of `looked_at` that ask something, with what they ask."""
    chars = 0
    for i in looked_at:
        if ask := _ask(messages[i].text, stripped=stripped):
            yield i, ask
        elif (chars := chars + len(messages[i].text)) > _MAX_LOOKED_AT_CHARS:
            return


def _ask(text: str, *, stripped: bool) -> str:
    """What `text` asks; empty where that is nothing. Of a very long one both ends are read."""
    if len(text) > _MAX_READ_CHARS:
        text = text[: _MAX_READ_CHARS // 2] + text[-_MAX_READ_CHARS // 2 :]
    ask = _well_formed(without_wrappers(text) if stripped else text)
    return "" if ask.isspace() or (stripped and asks_nothing(ask)) else ask


def _well_formed(text: str) -> str:
    """JSON can write half a character (a lone surrogate), which UTF-8 cannot; it becomes a question mark."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _weight(text: str) -> float:
    """How much a user text says, 0 to 1, by its length in letters of an alphabet."""
    beginning = text[: 2 * _WHOLE_WEIGHT_LETTERS]
    letters = len(beginning) if beginning.isascii() else sum(map(_letters, beginning))
    return min(1.0, letters / _WHOLE_WEIGHT_LETTERS) ** 2


@lru_cache(maxsize=4096)
def _letters(character: str) -> int:
    """How many letters of an alphabet say as much, by the lengths of translations: three for Han, two for kana, Hangul.

    Vowel signs and accents that are characters of their own, as in Hindi and Thai, say nothing alone.
    """
    if unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf"):
        return 0
    if _HAN.match(character):
        return 3
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _bytes_before(messages: Sequence[Message]) -> tuple[list[int], int]:
    before, total = [], 0
    for message in messages:
        before.append(total)
        total += len(message.text) if message.text.isascii() else len(message.text.encode(errors="replace"))
    return before, total
