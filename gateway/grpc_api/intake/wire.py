"""Wire-format guard: refuses a message that would grow too large in memory, before it is parsed.

A size limit alone bounds nothing: an empty row takes 2 bytes on the wire and about 130 in memory, so 15 MiB become
1 GiB. Therefore the fields of a large message are counted first, down to the submessages, and the count stops at the
limit. Small messages are not counted: they cannot grow far. Knows protobuf's encoding, not what the fields mean.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from gateway.errors import InvalidRequestError

COUNTED_BYTES = 64 * 1024  # a message of this size grows to 5 MiB at most
MAX_FIELDS = 16_384  # a batch of 1,024 rows with 15 fields each
_MAX_DEPTH = 64  # protobuf's own parser stops at 100
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

M = TypeVar("M", bound=Message)


class _TooManyFieldsError(Exception):
    """The count has reached its limit."""


def parser(kind: type[M], max_bytes: int | None = None) -> Callable[[bytes], M | InvalidRequestError]:
    """A deserializer for messages of `kind`, of at most `max_bytes`.

    grpc lets a deserializer raise nothing but "internal error", so a refusal is returned in place of the message;
    the handler of the call raises it.
    """
    descriptor: Any = kind.DESCRIPTOR

    def parse(data: bytes) -> M | InvalidRequestError:
        if max_bytes is not None and len(data) > max_bytes:
            return InvalidRequestError("message", f"it has {len(data)} bytes, the limit is {max_bytes}")
        try:
            if len(data) > COUNTED_BYTES:
                count_fields(data, descriptor)
            return kind.FromString(data)
        except _TooManyFieldsError:
            return InvalidRequestError("message", f"it has more than {MAX_FIELDS} fields: split it")
        except DecodeError:
            return InvalidRequestError("message", f"is no {descriptor.full_name} in protobuf's encoding")

    return parse


def count_fields(data: bytes, descriptor: Descriptor) -> int:
    """How many fields `data` has, submessages included; what is malformed is left to the parser, uncounted.

    Raises:
        _TooManyFieldsError: there are more than MAX_FIELDS.
    """
    try:
        return MAX_FIELDS - _left_after(data, 0, len(data), descriptor, MAX_FIELDS, 0)
    except IndexError:  # it ends within a number
        return MAX_FIELDS


def _left_after(data: bytes, at: int, end: int, descriptor: Descriptor, left: int, depth: int) -> int:
    """What is left of the limit after the message at `data[at:end]`."""
    while at < end:
        key, at = _varint(data, at)
        left -= 1
        if left < 0:
            raise _TooManyFieldsError
        kind = key & 7
        if kind == _BYTES:
            size, at = _varint(data, at)
            inner: Any = descriptor.fields_by_number.get(key >> 3)
            if inner is not None and inner.message_type is not None and depth < _MAX_DEPTH:
                left = _left_after(data, at, min(at + size, end), inner.message_type, left, depth + 1)
            at += size
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _FIXED64:
            at += 8
        elif kind == _FIXED32:
            at += 4
    return left


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where the next field begins."""
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value, shift = byte & 0x7F, 7
    while (byte := data[at]) >= 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1
