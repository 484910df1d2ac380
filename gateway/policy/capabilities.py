"""Capabilities and protocols: what a request needs and an LLM may lack, such as reading images."""

import enum
from collections.abc import Iterable, Mapping


class Capability(enum.StrEnum):
    """What endpoints.yaml may list for an LLM; an LLM without a list is taken to be able to do everything."""

    VISION = "vision"
    AUDIO = "audio"
    VIDEO = "video"
    FILES = "files"
    TOOLS = "tools"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"


class ApiProtocol(enum.StrEnum):
    """Whose API an LLM's endpoints speak; a request in the one is never translated into the other."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


Capabilities = Mapping[str, frozenset[Capability]]
"""By LLM; one that is not in it can do everything."""


def effective(listed: Iterable[Capability]) -> frozenset[Capability]:
    """The capabilities that `listed` stands for: an LLM that keeps to a JSON schema writes JSON."""
    given = frozenset(listed)
    return given | {Capability.JSON_OBJECT} if Capability.JSON_SCHEMA in given else given


def capable(llms: frozenset[str], capabilities: Capabilities, needs: Iterable[Capability]) -> frozenset[str]:
    """Those of `llms` that have everything in `needs`; empty where none has."""
    needed = frozenset(needs)
    return frozenset(llm for llm in llms if llm not in capabilities or needed <= capabilities[llm])
