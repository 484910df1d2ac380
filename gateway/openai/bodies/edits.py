"""The body of each candidate: the caller's, with the candidate's model name and parameters in place.

A body goes out with the first candidate's. Where that fails, Envoy turns it into the next one's by replacing pieces
whose places are known from here; it never reads JSON. All places are positions in bytes.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.openai.bodies.answers import invalid
from gateway.openai.bodies.members import Span

MAX_REPLACED_BYTES = 4096
"""Longest value of the caller's that a parameter may stand in for: it is kept for candidates without the parameter."""


Values = Mapping[str, bytes]
"""What is one candidate's own in a body: values of members, as JSON."""


class Edit(NamedTuple):
    """Replaces the bytes from `start` to `end` (not included) by `text`."""

    start: int
    end: int
    text: bytes


class Editor:
    """The places of one body where variants differ: the members that are there, and, for the others, its beginning."""

    def __init__(self, data: bytes, spans: Mapping[str, Span], inside: int, names: Iterable[str]) -> None:
        """`names` are those of all variants' values; `spans` has the places of those that are there.

        Raises:
            OpenAiError: 400: a parameter stands in for a value of the caller's that is too long.
        """
        self._data = data
        self._inside = inside
        self._present = sorted((span, name) for name, span in spans.items() if name in set(names))
        self._absent = [name for name in dict.fromkeys(names) if name not in spans]
        for (start, end), name in self._present:
            if name != "model" and end - start > MAX_REPLACED_BYTES:
                raise invalid(name, f"longer than {MAX_REPLACED_BYTES} bytes, and this pool sets it itself")

    def body(self, variant: Values) -> bytes:
        """The whole body."""
        parts, at = [], 0
        for (start, end), text in zip(self._slots(), self._texts(variant), strict=True):
            parts += [self._data[at:start], text]
            at = end
        return b"".join((*parts, self._data[at:]))

    def edits(self, first: Values, other: Values) -> list[Edit]:
        """What turns `body(first)` into `body(other)`, from its beginning to its end."""
        edits, shift = [], 0
        for (start, end), old, new in zip(self._slots(), self._texts(first), self._texts(other), strict=True):
            if old != new:
                edits.append(Edit(start + shift, start + shift + len(old), new))
            shift += len(old) - (end - start)
        return edits

    def _slots(self) -> list[Span]:
        return [(self._inside, self._inside), *(span for span, _ in self._present)]

    def _texts(self, variant: Values) -> list[bytes]:
        """What stands in each slot: members that the caller has not sent come first, the others where they are."""
        added = (b'"%s":%s,' % (n.encode(), variant[n]) for n in self._absent if n in variant)
        kept = (variant.get(name, self._data[slice(*span)]) for span, name in self._present)
        return [b"".join(added), *kept]
