from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from queries import QueryError, checksums, read_queries


def rows(*values: bytes) -> np.ndarray:  # type: ignore[type-arg]
    return np.array([[value] for value in values], dtype=np.object_)


@given(texts=st.lists(st.text(min_size=1).filter(lambda text: not text.isspace()), min_size=1, max_size=5))
def test_texts_come_back_as_they_were_sent(texts: list[str]) -> None:
    assert read_queries(rows(*(text.encode() for text in texts)), 10_000) == texts


def test_checksums_are_those_of_the_bytes_that_were_sent() -> None:
    answers = checksums(["Où est 北京?", "q"])
    assert answers.dtype == np.uint32
    assert answers.tolist() == [crc32("Où est 北京?".encode()), crc32(b"q")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"\xff\xfe", "query: not UTF-8 (byte 0)"),
        (b"ok \xc3(", "query: not UTF-8 (byte 3)"),
        (b"", "query: empty"),
        (b" \n\t ", "query: empty"),
        ("\u3000".encode(), "query: empty"),
        (b"123456789", "query: 9 bytes, the limit is 8"),
    ],
)
def test_a_bad_query_is_refused_by_name(value: bytes, message: str) -> None:
    with pytest.raises(QueryError) as refusal:
        read_queries(rows(value), 8)
    assert message in str(refusal.value)


def test_the_row_is_named_where_the_client_batched() -> None:
    with pytest.raises(QueryError, match=r"query\[2\]: empty"):
        read_queries(rows(b"a", b"b", b"", b"d"), 8)
