"""A hook of one's own that takes secrets out of prompts before anything is stored or sent."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelling.errors import PromptError
from labelling.prompts.prompt import Prompt

Redact = Callable[[str], str]
_STRUCTURE = {"role", "type"}  # words of the protocol, not of a person


def load_redact(spec: str) -> Redact:
    """The function that `FILE.py:NAME` names: a text in, the text without its secrets out.

    Raises:
        PromptError: there is no such file or function.
    """
    file, _, name = spec.rpartition(":")
    module_spec = importlib.util.spec_from_file_location("redact_hook", file) if Path(file).is_file() else None
    if module_spec is None or module_spec.loader is None:
        raise PromptError(f"--redact {spec}: no such file; write FILE.py:FUNCTION")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise PromptError(f"--redact {spec}: {file} has no function {name}")
    return function  # type: ignore[no-any-return]


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
