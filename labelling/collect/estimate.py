"""What cells will cost: expected, and at most.

What an LLM's answers in the store took is the best forecast of what its next ones take. Without ten of them, four
characters a token and `ASSUMED_ANSWER_TOKENS` are assumed, and the estimate says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from labelling.asking.costs import dollars, most_dollars
from labelling.pool.endpoints import PoolFile
from labelling.prompts.prompt import Message, Prompt, canonical
from labelling.store.store import Store

ASSUMED_CHARS_PER_TOKEN = 4.0
ASSUMED_ANSWER_TOKENS = 300
ENOUGH_ANSWERS = 10


@dataclass
class Habit:
    """How one LLM has answered so far."""

    answers: int = 0
    prompt_chars: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def add(self, chars: int, prompt_tokens: int, answer_tokens: int) -> None:
        """Takes one answer in."""
        self.answers += 1
        self.prompt_chars += chars
        self.prompt_tokens += prompt_tokens
        self.answer_tokens += answer_tokens

    @property
    def known(self) -> bool:
        """Whether there are enough answers to go by."""
        return self.answers >= ENOUGH_ANSWERS

    def tokens(self, chars: float, max_tokens: int) -> tuple[float, float]:
        """Expected tokens of a prompt of `chars` characters, and of its answer."""
        if not self.known:
            return chars / ASSUMED_CHARS_PER_TOKEN, min(ASSUMED_ANSWER_TOKENS, max_tokens)
        return chars * self.prompt_tokens / max(self.prompt_chars, 1), self.answer_tokens / self.answers


@dataclass(frozen=True)
class Estimate:
    """Dollars for all cells; `assumed`: LLMs of which too little is known; `unpriced`: LLMs that are not counted."""

    expected_usd: float
    most_usd: float
    assumed: tuple[str, ...]
    unpriced: tuple[str, ...]


def habits(store: Store, llms: Iterable[str]) -> dict[str, Habit]:
    """How each LLM has answered the prompts of the store."""
    found = {llm: Habit() for llm in llms}
    chars = {prompt.key: prompt_chars(prompt.messages) for prompt in store.prompts()}
    for stored in store.answers():
        answer = stored.answer
        if stored.llm in found and answer.prompt_tokens is not None and answer.answer_tokens is not None:
            found[stored.llm].add(chars[stored.prompt], answer.prompt_tokens, answer.answer_tokens)
    return found


def estimate(
    cells: Iterable[tuple[Prompt, str]], pool: PoolFile, known: Mapping[str, Habit], max_tokens: int
) -> Estimate:
    """What asking these (prompt, LLM) cells costs."""
    expected = most = 0.0
    asked: dict[str, None] = {}
    for prompt, name in cells:
        llm = pool.llms[name]
        asked[name] = None
        tokens = known[name].tokens(prompt_chars(prompt.messages), max_tokens)
        expected += dollars(llm, round(tokens[0]), round(tokens[1])) or 0.0
        most += most_dollars(llm, prompt.messages, max_tokens)
    return Estimate(
        expected,
        most,
        tuple(name for name in asked if not known[name].known),
        tuple(name for name in asked if pool.llms[name].prices is None),
    )


def prompt_chars(messages: Iterable[Message]) -> int:
    """Characters of a chat as it is sent."""
    return len(canonical([dict(message) for message in messages]))
