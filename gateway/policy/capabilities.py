"""Capabilities and protocols: what a request needs and an LLM may lack, such as reading images."""

import enum
from collections.abc import Iterable, Mapping

from gateway.errors import InvalidRequestError


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
Needs = Mapping[Capability, str]
"""Each capability that is needed, and the first field that needs it."""

_OF_PARTS = {
    **dict.fromkeys(("image_url", "input_image", "image", "image_embeds", "computer_screenshot"), Capability.VISION),
    **dict.fromkeys(("input_audio", "audio_url", "audio"), Capability.AUDIO),
    **dict.fromkeys(("video_url", "input_video", "video"), Capability.VIDEO),
    **dict.fromkeys(("file", "input_file", "document", "container_upload"), Capability.FILES),
}
_TOOL_SUFFIXES = ("tool_use", "tool_result")
TOOL_ROLES = ("tool", "function")
"""Who says what a tool has answered."""


def effective(listed: Iterable[Capability]) -> frozenset[Capability]:
    """The capabilities that `listed` stands for: an LLM that keeps to a JSON schema writes JSON."""
    given = frozenset(listed)
    return given | {Capability.JSON_OBJECT} if Capability.JSON_SCHEMA in given else given


def of_part(kind: object) -> Capability | None:
    """What a part of a content needs, by its type, or by the name under which it stands; None: nothing."""
    if not isinstance(kind, str):
        return None
    return _OF_PARTS.get(kind) or (Capability.TOOLS if kind.endswith(_TOOL_SUFFIXES) else None)


def able(llms: frozenset[str], capabilities: Capabilities, needs: Needs) -> frozenset[str]:
    """Those of `llms` that have everything in `needs`.

    Raises:
        InvalidRequestError: none has; it names the first field that needs what they lack.
    """
    if not needs or (found := capable(llms, capabilities, needs)):
        return found if needs else llms
    lacking = ((need, field) for need, field in needs.items() if not capable(llms, capabilities, (need,)))
    need, field = next(lacking, next(iter(needs.items())))
    raise InvalidRequestError(field, f"needs '{need}': no LLM that may answer has it and all else that is needed")


def capable(llms: frozenset[str], capabilities: Capabilities, needs: Iterable[Capability]) -> frozenset[str]:
    """Those of `llms` that have everything in `needs`; empty where none has."""
    needed = frozenset(needs)
    return frozenset(llm for llm in llms if llm not in capabilities or needed <= capabilities[llm])
