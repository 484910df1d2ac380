"""From the bytes of a body to what routing needs of it: pure, so that another process can do it (see reader.py)."""

from typing import NamedTuple

from gateway.openai.apis import APIS, Ask
from gateway.openai.bodies.answers import invalid
from gateway.openai.bodies.members import Span, parse


class Reading(NamedTuple):
    """What routing needs of a body.

    `spans` has the places of `model` and of those members that an LLM's `parameters` may replace.
    """

    model: str
    spans: dict[str, Span]
    inside: int
    ask: Ask


def read(path: str, data: bytes, parameters: frozenset[str] = frozenset()) -> Reading:
    """Reads a body of the API at `path`.

    Raises:
        OpenAiError: 400 or 413: see `parse` and `Members.values`. That the body cannot be routed is in `ask.problem`.
    """
    api, body = APIS[path], parse(data)
    spans = {name: span for name, span in body.spans.items() if name == "model" or name in parameters}
    try:
        ask = api.ask(body.values(api.fields) | body.present(api.flags))
    except RecursionError:
        raise invalid(None, "nested too deeply") from None
    return Reading(body.model, spans, body.inside, ask)
