"""JSON lists and JSON Lines, read in pieces: a large file costs no more memory than its rows do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from routerdc.data.formats.rows import DECODER, DataError, Malformed, Row, opened, parse_fault

PIECE_CHARS = 1 << 20
_BEGINS_A_LIST = re.compile(r"\s*\[\s*(\{|$)")
_AFTER_VALUE = (",", "]", " ", "\t", "\r", "\n")


class _Text:
    """A window on a text file that grows on demand and remembers the line it stands on."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self.line, self._piece = file, "", 1, PIECE_CHARS

    def _more(self) -> bool:
        piece = self._file.read(self._piece)
        self._text += piece
        self._piece *= 2  # so that a huge value is parsed again only a few times
        return bool(piece)

    def _advance(self, chars: int) -> None:
        self.line += self._text.count("\n", 0, chars)
        self._text = self._text[chars:]

    def peek(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        while True:
            self._advance(len(self._text) - len(self._text.lstrip()))
            if self._text or not self._more():
                return self._text[:1]

    def skip(self) -> None:
        self._advance(1)

    def value(self) -> Any:
        """The JSON value that begins here."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text)
                complete = self._text[end : end + 1] in _AFTER_VALUE  # `12` may go on as `12.3` in the next piece
            except json.JSONDecodeError as error:
                if not self._more():
                    self._advance(error.pos)
                    raise
                continue
            if complete or not self._more():
                self._advance(end)
                self._piece = PIECE_CHARS
                return value


def read_json(path: Path) -> Iterator[Row]:
    """The rows of a JSON list, or of several lists one after the other, as `cat a.json b.json` makes them."""
    with opened(path) as file:
        text, number = _Text(file), 0
        if text.peek() != "[":
            raise DataError(f"{path}:{text.line}: not a JSON list: begin with '[', or name the file .jsonl")
        while text.peek() == "[":
            for row in _list(path, text, number):
                number = row.number
                yield row
        if text.peek():
            raise DataError(f"{path}:{text.line}: text after the end of the list: remove it, or begin another list")


def _list(path: Path, text: _Text, number: int) -> Iterator[Row]:
    text.skip()
    first = True
    while (mark := text.peek()) != "]":
        if not first and mark != ",":
            raise DataError(f"{path}:{text.line}: expected ',' or ']' after row {number}")
        if not first:
            text.skip()
            text.peek()
        first, number = False, number + 1
        line = text.line
        try:
            value = text.value()
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}:{text.line}: row {number} is not JSON: {parse_fault(error)}") from None
        yield Row(number, line, value)
    text.skip()


def read_jsonl(path: Path) -> Iterator[Row]:
    """The rows of a file with one JSON object a line."""
    with opened(path) as file:
        number = 0
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            if not number and _BEGINS_A_LIST.match(text):
                raise DataError(f"{path}:{line}: a JSON list, not one object a line: name the file .json")
            number += 1
            try:
                yield Row(number, line, DECODER.decode(text))
            except (ValueError, RecursionError) as error:
                yield Row(number, line, Malformed(f"not JSON: {parse_fault(error)}"))
