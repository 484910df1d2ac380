"""Building blocks of bad input: texts, numbers and JSON that break things elsewhere."""

import json
from typing import Any

from hypothesis import strategies as st

NASTY_TEXTS = [
    "",
    " ",
    "\u3000\u00a0\t\n",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udc00 tail",
    "\ufeff",
    "\u200b",
    "\u202eright to left\u202c",
    "\u0645\u0631\u062d\u0628\u0627",
    "e\u0301 or \u00e9",
    "\ufdfa" * 40,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\U0010ffff",
    "\uffff",
    "\r\nx-injected: yes",
    "${jndi:ldap://x}",
    "%s%n%x",
    "../../etc/passwd",
    "x" * 5000,
]
NASTY_NUMBERS = [
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    -(2**63),
    1e308,
    -0.0,
    5e-324,
    float("inf"),
    float("-inf"),
    float("nan"),
]

texts = st.one_of(st.sampled_from(NASTY_TEXTS), st.text(max_size=30), st.text(st.characters(), max_size=8))
sendable_texts = texts.filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
numbers = st.one_of(st.sampled_from(NASTY_NUMBERS), st.integers(), st.floats())
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)


def one_of_many(*good: Any) -> st.SearchStrategy[Any]:
    """Mostly what is expected, sometimes anything."""
    return st.one_of(*(one if isinstance(one, st.SearchStrategy) else st.just(one) for one in good), values)


def json_bytes(value: Any) -> bytes:
    """As a careless writer would: NaN, lone surrogates and all."""
    return json.dumps(value).encode()


def damaged(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """`whole`, cut, with a byte changed, doubled, or left as it is; or no such thing at all."""

    def cut(parts: tuple[bytes, int, int, int]) -> bytes:
        data, how, where, byte = parts
        at = where % (len(data) + 1)
        return [data, data[:at], data[:at] + bytes([byte]) + data[at + 1 :], data + data[:at]][how % 4]

    positions = st.tuples(whole, st.integers(0, 7), st.integers(0, 10_000), st.integers(0, 255))
    return st.one_of(whole, positions.map(cut), st.binary(max_size=60))
