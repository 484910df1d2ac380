"""Grades by a command or a Python function of one's own.

The command gets `{"messages", "question", "reference", "domain", "answer"}` as JSON on stdin. A number from 0 to 1 on
its last line of output is the score; without output, exit status 0 is right and 1 is wrong. Anything else is a
missing grade with a reason. It is not told which LLM wrote the answer.
"""

import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelling.errors import GradingError
from labelling.grade.grader import Answers
from labelling.grade.programs.process import Ended, Limits, run
from labelling.prompts.prompt import Prompt
from labelling.store.records import Grade


@dataclass(frozen=True)
class CommandGrader:
    """Starts `command` for every answer."""

    command: tuple[str, ...]
    limits: Limits
    name: str
    compares = False

    async def grade(self, prompt: Prompt, answers: Answers) -> Mapping[str, Grade]:
        """See `Grader`.

        Raises:
            GradingError: the command cannot be started.
        """
        return {key: await self._grade(prompt, answer) for key, answer in answers.items()}

    async def _grade(self, prompt: Prompt, answer: str) -> Grade:
        given = {
            "messages": [dict(message) for message in prompt.messages],
            "question": prompt.question,
            "reference": prompt.reference,
            "domain": prompt.domain,
            "answer": answer,
        }
        try:
            return verdict(await run(self.command, json.dumps(given).encode(), self.limits))
        except OSError as error:
            raise GradingError(f"{self.command[0]}: cannot be started: {error.strerror}") from None


def of_command(line: str, limits: Limits) -> CommandGrader:
    """A grader that runs a command line (without a shell)."""
    return CommandGrader(tuple(shlex.split(line)), limits, f"command {line}")


def of_function(spec: str, limits: Limits) -> CommandGrader:
    """A grader that calls the Python function `FILE.py:NAME` in a process of its own.

    Raises:
        GradingError: there is no such file.
    """
    file, _, function = spec.rpartition(":")
    if not Path(file).is_file():
        raise GradingError(f"--function {spec}: no such file; write FILE.py:FUNCTION")
    command: Sequence[str] = (sys.executable, "-m", "labelling.grade.programs.function_child", file, function)
    return CommandGrader(tuple(command), limits, f"function {spec}")


def verdict(ended: Ended) -> Grade:
    """What a run's end means."""
    if ended.status is None:
        return Grade(None, "the grader took too long")
    if not ended.output.strip():
        return Grade({0: 1.0, 1: 0.0}.get(ended.status), _failed(ended.status))
    if ended.status != 0:
        return Grade(None, f"the grader failed with exit status {ended.status}")
    try:
        score = float(ended.output.split()[-1])
    except ValueError:
        return Grade(None, "the grader's last word is no number")
    return (
        Grade(score)
        if math.isfinite(score) and 0 <= score <= 1
        else Grade(None, "the grader's number is not in [0, 1]")
    )


def _failed(status: int) -> str | None:
    return None if status in (0, 1) else f"the grader failed with exit status {status}"
