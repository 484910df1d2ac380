"""YAML for configuration: nothing twice, and one kind of error whatever is wrong.

PyYAML keeps the last of two equal keys without a word, and lets some of Python's own errors out (a 13th month, brackets
without end, characters beyond Unicode). Does not know what the files say.
"""

from typing import Any

import yaml


class NotYamlError(ValueError):
    """A text that is no YAML, or says something twice."""


class _UniqueKeys(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"{', '.join(twice)}: appears twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def load(text: str) -> Any:
    """What `text` says.

    Raises:
        NotYamlError: it is no YAML, or a mapping has a key twice.
    """
    try:
        return yaml.load(text, _UniqueKeys)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        raise NotYamlError(str(error)) from None
