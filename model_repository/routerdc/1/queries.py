"""From the bytes of the input `query` to texts, or a clear refusal. Knows nothing of Triton or tokens."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt

FIELD = "query"


class QueryError(ValueError):
    """A request that cannot be answered; the message names the field (and row, if there are several) and the cure."""


def read_queries(rows: npt.NDArray[np.object_], max_query_bytes: int) -> list[str]:
    """Texts of one request, whose input is (n, 1) bytes (n > 1 where the client batched).

    Raises:
        QueryError: one of its rows is not UTF-8, blank or too long.
    """
    values = rows.reshape(-1)
    return [
        _text(value, f"{FIELD}[{i}]" if len(values) > 1 else FIELD, max_query_bytes) for i, value in enumerate(values)
    ]


def checksums(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """(n,) CRC-32 of each text's bytes, by which a caller knows that an answer is to its own query.

    Triton takes an answer for the next request's after its Python process has stood still for a second: it gave the
    request up, of which the process knows nothing.
    """
    return np.array([crc32(text.encode()) for text in texts], dtype=np.uint32)


def _text(value: bytes, where: str, max_query_bytes: int) -> str:
    if len(value) > max_query_bytes:
        raise QueryError(f"{where}: {len(value)} bytes, the limit is {max_query_bytes}: shorten it")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise QueryError(f"{where}: not UTF-8 (byte {error.start}): send text encoded as UTF-8") from None
    if not text or text.isspace():
        raise QueryError(f"{where}: empty: send the text to be routed")
    return text
