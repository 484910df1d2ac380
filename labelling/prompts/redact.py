"""A hook of one's own that takes secrets out of prompts before anything is stored or sent.

What a hook raises may quote the prompt, so the message names only the kind of error and its line. A hook that fails,
or that does not come back, stops the command before anything is kept: a prompt that was not redacted must not go on.
"""

import importlib.util
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from labelling.errors import PromptError
from labelling.prompts.prompt import Prompt

SECONDS_A_TEXT = 10.0
Redact = Callable[[str], str]
_STRUCTURE = {"role", "type"}  # words of the protocol, not of a person


def load_redact(spec: str, seconds: float = SECONDS_A_TEXT) -> Redact:
    """The function that `FILE.py:NAME` names: a text in, the text without its secrets out.

    Raises:
        PromptError: there is no such file or function. The function raises it, too: where the hook fails, takes
            longer than `seconds`, or returns no text.
    """
    file, _, name = spec.rpartition(":")
    module_spec = importlib.util.spec_from_file_location("redact_hook", file) if Path(file).is_file() else None
    if module_spec is None or module_spec.loader is None:
        raise PromptError(f"--redact {spec}: no such file; write FILE.py:FUNCTION")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise PromptError(f"--redact {spec}: {file} cannot be loaded: {type(error).__name__}: {error}") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise PromptError(f"--redact {spec}: {file} has no function {name}")

    def redact(text: str) -> str:
        try:
            with _time_limit(seconds):
                clean = function(text)
        except _TooLong:
            raise PromptError(f"--redact {spec}: takes longer than {seconds:g} s for one text") from None
        except (Exception, SystemExit) as error:
            line = traceback.extract_tb(error.__traceback__)[-1].lineno
            raise PromptError(f"--redact {spec}: {type(error).__name__} in line {line}, nothing is kept") from None
        if not isinstance(clean, str):
            raise PromptError(f"--redact {spec}: returns {type(clean).__name__}, and must return a text")
        return clean

    return redact


def redacted(prompt: Prompt, redact: Redact) -> Prompt:
    """The prompt with every text of its messages and its reference passed through `redact`."""
    messages = tuple(_inside(dict(message), redact) for message in prompt.messages)
    return replace(prompt, messages=messages, reference=_inside(prompt.reference, redact))


def _inside(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: inner if name in _STRUCTURE else _inside(inner, redact) for name, inner in value.items()}
    return [_inside(inner, redact) for inner in value] if isinstance(value, list) else value


class _TooLong(BaseException):
    """Not an Exception: a hook that catches everything must not catch its own end."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Ends the block after `seconds`, by a signal: regular expressions that never come back are interrupted, too."""

    def end(_: int, __: FrameType | None) -> None:
        raise _TooLong

    handler, begun = signal.signal(signal.SIGALRM, end), time.monotonic()
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - begun), 1e-3) if left else 0.0)
        signal.signal(signal.SIGALRM, handler)
