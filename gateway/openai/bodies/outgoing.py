"""Which body each attempt at an LLM gets: names of clusters, and what is to be replaced for them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.config.endpoints_file import Endpoint
from gateway.openai.bodies.edits import Edit, Editor
from gateway.openai.bodies.reading import Reading
from gateway.pool import clusters
from gateway.pool.pool import Pool

Candidates = Sequence[tuple[str, Endpoint]]


class Outgoing(NamedTuple):
    """`first` is what the first attempt gets; for others, `edits` by name of their cluster where it needs some."""

    first: bytes
    attempts: tuple[str, ...]
    edits: Mapping[str, Sequence[Edit]]


def outgoing(pool: Pool, data: bytes, reading: Reading, candidates: Candidates) -> Outgoing:
    """The bodies for `candidates`, of which the first is the chosen one.

    Raises:
        OpenAiError: 400: see `Editor`.
    """
    attempts = clusters.attempts(pool.llms, candidates)
    names = dict.fromkeys(name for attempt in attempts for name in pool.members[attempt])
    editor, first = Editor(data, reading.spans, reading.inside, names), pool.members[attempts[0]]
    edits = {attempt: editor.edits(first, pool.members[attempt]) for attempt in attempts[1:]}
    return Outgoing(editor.body(first), attempts, {attempt: found for attempt, found in edits.items() if found})
