"""What a body asks: the common result of all APIs."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from gateway.domain.conversation import Conversation
from gateway.policy.capabilities import ApiProtocol, Needs


class Ask(NamedTuple):
    """What routing needs of a body.

    `problem` (field, what is wrong) is why the body cannot be routed; an LLM that is asked by name judges it itself.
    """

    talk: Conversation  # what is routed; without turns: there is no text
    needs: Needs
    text_bytes: int  # UTF-8 bytes of all text that the LLM has to read, neither images nor tools
    problem: tuple[str, str] | None = None
    cache_key: str = ""  # names the conversation, by which its requests find the same prompt cache


class Api(Protocol):
    """One API."""

    @property
    def path(self) -> str:
        """Where it is called with POST."""

    @property
    def protocol(self) -> ApiProtocol:
        """What an LLM's endpoints must speak; errors have its form."""

    @property
    def text_field(self) -> str:
        """The field with the text, which errors about its length name."""

    @property
    def fields(self) -> frozenset[str]:
        """Names of the body's members that `ask` reads."""

    @property
    def flags(self) -> frozenset[str]:
        """Names of those of which it only matters whether they are there and not empty."""

    def ask(self, fields: Mapping[str, Any]) -> Ask:
        """Reads the members of a body, values of `fields` and truth values of `flags`; no form of them is an error."""
