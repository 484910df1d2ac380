"""The one rule of what an LLM may be called: in tables of grades, in bundles and in endpoints.yaml alike.

Names travel in HTTP headers, in Envoy's configuration and in metrics' labels, and people type them. So whatever can be
trained can be served.
"""

from typing import Annotated

from pydantic import AfterValidator

MAX_NAME_BYTES = 256
RESERVED = frozenset({"auto"})
"""Names that callers use for "let the router choose"."""


def name_fault(name: str) -> str | None:
    """What is wrong with `name` as the name of an LLM, and what to do; None if it is right."""
    if name in RESERVED:
        return f"{name!r} is reserved: callers ask for it to let the router choose; rename it"
    return text_fault(name)


def text_fault(name: str) -> str | None:
    """What is wrong with `name` as a name of any kind; None if it is right."""
    if not name:
        return "an empty name: write the name of the LLM"
    if name != name.strip():
        return f"{name!r} begins or ends with white space: remove it"
    if not name.isprintable():
        return f"{name!r} holds a character that cannot be printed, such as a line break: remove it"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"{name[:32]!r}… is longer than {MAX_NAME_BYTES} bytes: shorten it"
    return None


def _llm_name(name: str) -> str:
    if fault := name_fault(name):
        raise ValueError(fault)
    return name


LlmName = Annotated[str, AfterValidator(_llm_name)]
"""A field of a model that holds the name of an LLM."""
