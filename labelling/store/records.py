"""What the store holds: cells to ask, their answers, and grades of the answers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labelling.prompts.prompt import canonical


@dataclass(frozen=True)
class Cell:
    """One LLM to ask one prompt. `settings`: what else is sent (temperature, max_tokens, …)."""

    prompt: str
    llm: str
    model: str
    settings: Mapping[str, Any]

    @property
    def key(self) -> str:
        """SHA-256 of everything that decides the answer: an equal call is never made twice."""
        content = canonical([self.prompt, self.llm, self.model, dict(self.settings)])
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """What came of one call.

    `missing`: why there is no answer to grade (cut, refused, failed); None where there is one.
    `cost_usd`: what the call cost, or at most can have cost where the server did not say; None without prices.
    """

    text: str | None = None
    missing: str | None = None
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    latency_ms: float | None = None
    cost_usd: float | None = None
    attempts: int = 1


@dataclass(frozen=True)
class Stored:
    """An answer in the store, with where it belongs."""

    key: str
    prompt: str
    llm: str
    model: str
    answer: Answer


@dataclass(frozen=True)
class Grade:
    """How right an answer is: `score` in [0, 1], or None with the reason why it is missing."""

    score: float | None
    reason: str | None = None
