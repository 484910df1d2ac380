"""What every grader is: a prompt and its answers in, a grade for each answer out."""

from collections.abc import Mapping
from typing import Protocol

from labelling.prompts.prompt import Prompt
from labelling.store.records import Grade

Answers = Mapping[str, str]
"""Texts of answers by the key of the answer: a grader never learns which LLM wrote one."""


class Grader(Protocol):
    """Grades the answers to one prompt."""

    @property
    def name(self) -> str:
        """Names the grader with everything that decides its grades: a change makes it another grader."""
        ...

    @property
    def compares(self) -> bool:
        """Whether a grade depends on the other answers to the prompt."""
        ...

    async def grade(self, prompt: Prompt, answers: Answers) -> Mapping[str, Grade]:
        """A grade for each of `answers`."""
        ...
