"""Grades code by unit tests, in a sandbox: the prompt's reference is Python that fails where the answer is wrong.

The answer's code and the tests run in one process without network and environment, with its own process table, that
can read Python and write a small folder in memory, for a limited time with limited memory (see `sandbox_child`). Where
the platform cannot do that, nothing is run and the reason is said: an LLM's code is not to be trusted.
"""

import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labelling.errors import GradingError
from labelling.grade.grader import Answers
from labelling.grade.programs.process import Ended, Limits, run
from labelling.prompts.prompt import Prompt
from labelling.store.records import Grade

_BLOCK = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_CHILD = Path(__file__).with_name("sandbox_child.py")
_UNSHARE = "unshare"
_CANNOT = 97  # the child's exit status where it could not lock itself in


@dataclass(frozen=True)
class CodeGrader:
    """Runs the answer's Python with the reference behind it: right if that ends without an error."""

    limits: Limits
    name = "unit tests"
    compares = False

    async def grade(self, prompt: Prompt, answers: Answers) -> Mapping[str, Grade]:
        """See `Grader`."""
        if not isinstance(prompt.reference, str):
            return dict.fromkeys(answers, Grade(None, "the prompt has no unit tests as its reference"))
        return {key: await self._grade(answer, prompt.reference) for key, answer in answers.items()}

    async def _grade(self, answer: str, tests: str) -> Grade:
        mark = secrets.token_hex(16)
        ended = await sandboxed(f"{code_of(answer)}\n\n{tests}\n\nprint({mark!r})\n", self.limits)
        if ended.status == _CANNOT:
            return Grade(None, "the sandbox cannot be entered")
        if ended.status == -signal.SIGSYS:
            return Grade(None, "the code starts another process, which the sandbox does not allow")
        return Grade(float(ended.status == 0 and ended.output.strip().endswith(mark)))


async def code_grader(limits: Limits) -> CodeGrader:
    """The grader, after the sandbox has been tried.

    Raises:
        GradingError: this platform has no sandbox; the message says why.
    """
    if sys.platform != "linux" or not shutil.which(_UNSHARE):
        raise GradingError("--code: needs a sandbox, which is built from Linux namespaces (unshare) and Landlock")
    ended = await sandboxed("print('inside')", limits)
    if ended.output.strip() != "inside":
        why = ended.output.strip() if ended.status == _CANNOT else "user namespaces are not allowed here"
        raise GradingError(f"--code: the sandbox cannot be entered: {why}; grade with --command in a container instead")
    return CodeGrader(limits)


def code_of(answer: str) -> str:
    """The code in an answer: all its fenced blocks; without any, the answer itself."""
    return "\n\n".join(_BLOCK.findall(answer)) or answer


async def sandboxed(program: str, limits: Limits) -> Ended:
    """Runs a Python program in the sandbox."""
    with tempfile.TemporaryDirectory(prefix="routerdc-code-") as folder:
        spaces = ["--user", "--map-root-user", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child"]
        command = [shutil.which(_UNSHARE) or _UNSHARE, *spaces, sys.executable, "-I", "-S", str(_CHILD), folder]
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
        return await run(command, program.encode(), limits, cwd=folder, environment=environment)
