"""Reads Containerfiles: stages, and the instructions in them. Covers what ours use (no heredocs, no ONBUILD)."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


@dataclass(frozen=True)
class Instruction:
    """One instruction, continuation lines joined."""

    name: str
    value: str
    line: int

    @property
    def words(self) -> list[str]:
        """As a shell splits them; of the JSON form, its elements."""
        if self.value.startswith("["):
            words: list[str] = json.loads(self.value)
            return words
        return shlex.split(self.value)

    @property
    def pairs(self) -> dict[str, str]:
        """Of ENV and LABEL: name → value."""
        return dict(word.split("=", 1) for word in self.words)


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next."""

    base: str
    name: str
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[Instruction]:
        """The instructions of that name."""
        return [instruction for instruction in self.instructions if instruction.name == name]

    def last(self, name: str) -> Instruction | None:
        """The one that counts where a later one replaces an earlier one."""
        return next(iter(self.all(name)[::-1]), None)

    @property
    def labels(self) -> dict[str, str]:
        """Every label."""
        return {name: value for instruction in self.all("LABEL") for name, value in instruction.pairs.items()}


@dataclass(frozen=True)
class Containerfile:
    """A whole file; `arguments` are the ARGs before the first FROM, put into the bases."""

    arguments: dict[str, str]
    stages: tuple[Stage, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ValueError where an instruction stands before the first FROM that may not."""
        arguments: dict[str, str] = {}
        stages: list[Stage] = []
        for instruction in _instructions(path.read_text(encoding="utf-8")):
            if instruction.name == "FROM":
                base, _, name = instruction.value.partition(" AS ")
                base = _VARIABLE.sub(lambda match: arguments[match[1] or match[2]], base)
                stages.append(Stage(base, name or str(len(stages)), ()))
            elif stages:
                last = stages[-1]
                stages[-1] = Stage(last.base, last.name, (*last.instructions, instruction))
            elif instruction.name == "ARG":
                name, _, value = instruction.value.partition("=")
                arguments[name] = value
            else:
                raise ValueError(f"{path}:{instruction.line}: {instruction.name} before FROM")
        return cls(arguments, tuple(stages))

    def stage(self, name: str | None = None) -> Stage:
        """The one of that name; the last one, which is what is built by default, without a name."""
        return self.stages[-1] if name is None else next(stage for stage in self.stages if stage.name == name)

    def needed(self, stage: Stage) -> list[Stage]:
        """`stage` and those it copies from, in the order in which they are built."""
        copied = {word.removeprefix("--from=") for i in stage.all("COPY") for word in i.words if "--from=" in word}
        return [*(other for other in self.stages if other.name in copied), stage]


def _instructions(text: str) -> list[Instruction]:
    found: list[Instruction] = []
    pending, began = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        began = began or number
        pending += stripped.removesuffix("\\").rstrip() + " "
        if not stripped.endswith("\\"):
            name, _, value = pending.strip().partition(" ")
            found.append(Instruction(name.upper(), value.strip(), began))
            pending, began = "", 0
    return found
