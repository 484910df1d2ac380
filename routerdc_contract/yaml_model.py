"""Reads YAML files into pydantic models. Every error names the file, the field and the line.

PyYAML keeps the last of two equal keys without a word, and lets some of Python's own errors out (a 13th month, brackets
without end, characters beyond Unicode). Here equal keys are refused, and there is one kind of error.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from routerdc_contract import faults

_SHOWN = 5
"""Wrong fields that are told: one slip is often made in every entry."""
_Model = TypeVar("_Model", bound=BaseModel)


class YamlError(ValueError):
    """A file that cannot be read into its model; the message names file, field and line."""


class NotYamlError(YamlError):
    """A text that is no YAML, or a mapping with two equal keys. `line` counts from 1; None where it is not known."""

    def __init__(self, problem: str, line: int | None) -> None:
        super().__init__(problem if line is None else f"{problem} (line {line})")
        self.problem = problem
        self.line = line


class _UniqueKeys(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                mark = node.value[index][0].start_mark
                raise yaml.constructor.ConstructorError(None, None, f"{key}: appears twice", mark)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str) -> Any:
    """Returns what `text` says; None if it says nothing.

    Raises:
        NotYamlError: it is no YAML, or a mapping has two equal keys.
    """
    return _parsed(text)[0]


def load_yaml(path: Path) -> Any:
    """Returns what the file says; None if it says nothing.

    Raises:
        YamlError: the file cannot be read.
        NotYamlError: it is no YAML, or a mapping has two equal keys.
    """
    return _loaded(path)[0]


def load_yaml_model(model: type[_Model], path: Path) -> _Model:
    """Returns the checked content of a file. An empty file is a model of which no field is set.

    Raises:
        YamlError: the file cannot be read, or a field is wrong.
        NotYamlError: it is no YAML, or a mapping has two equal keys.
    """
    content, node = _loaded(path)
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        raise YamlError(f"{path}: {problems(error, node, model=model)}") from None


def line_of(path: Path, location: Sequence[int | str]) -> int | None:
    """The line, from 1, of the field at `location`, or of the innermost part around it; None if the file has none.

    Raises:
        YamlError: the file cannot be read, or it is no YAML.
    """
    mark = _mark(_loaded(path)[1], location)
    return None if mark is None else mark.line + 1


def problems(
    error: ValidationError, node: yaml.Node | None = None, whole: str = "file", model: type[BaseModel] | None = None
) -> str:
    """A sentence for each of the first wrong fields, with its line where `node` has it, and how many more there are.

    `whole` names the `model` itself.

    What is wrong with a whole because a part of it is wrong goes unsaid.
    """
    found = error.errors()
    within = {fault["loc"][:depth] for fault in found for depth in range(len(fault["loc"]))}
    sentences = [
        f"{'.'.join(map(str, fault['loc'])) or whole}: {faults.said(fault, model)}{_place(node, fault['loc'])}"
        for fault in found
        if fault["loc"] not in within
    ]
    more = [f"and {len(sentences) - _SHOWN} more"] if len(sentences) > _SHOWN else []
    return "; ".join([*sentences[:_SHOWN], *more])


def _loaded(path: Path) -> tuple[Any, yaml.Node | None]:
    try:
        return _parsed(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise YamlError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise YamlError(f"{path}: cannot be read: not UTF-8 at byte {error.start}") from None
    except NotYamlError as error:
        raise NotYamlError(f"{path}: not YAML: {error.problem}", error.line) from None


def _parsed(text: str) -> tuple[Any, yaml.Node | None]:
    try:
        loader = _UniqueKeys(text)
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise NotYamlError(error.problem or "cannot be parsed", line) from None
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        raise NotYamlError(" ".join(str(error).split()), None) from None


def _place(node: yaml.Node | None, location: Sequence[int | str]) -> str:
    """The line of the field, for the end of a sentence; empty where it is not known."""
    mark = _mark(node, location)
    return "" if mark is None else f" (line {mark.line + 1})"


def _mark(node: yaml.Node | None, location: Sequence[int | str]) -> yaml.Mark | None:
    """Where the field begins, or the innermost part around it that the file has."""
    mark = None
    for key in location:
        found = _child(node, key)
        if found is None:
            break
        mark, node = found
    return mark


def _child(node: yaml.Node | None, key: int | str) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return name.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark, node.value[key]
    return None
