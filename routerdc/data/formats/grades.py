"""What a cell of a table says: a grade or a price, however people write it.

What can be read in one way only is accepted: 0.85, "0.85", "0,85", "85%", true and false, yes and no. A missing value
is null, NaN, NA, "-" or an empty cell. Everything else is refused with what to write instead.
"""

import math
import re
from decimal import Decimal
from numbers import Real
from typing import Any

ROUNDING = 1e-6
"""How far a grade may lie outside its range and still be meant to lie on the edge: 1.0000000000000002 is a 1."""

_MISSING = {"", "nan", "null", "none", "na", "n/a", "-", "<na>"}
_WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


class GradeError(ValueError):
    """A cell that cannot be read; the message says what to write."""


def read_number(value: Any, upper: float) -> float | None:
    """The number in `value`, 0 to `upper`; None where it is missing.

    Raises:
        GradeError: it is no number, can be read in two ways, or lies outside.
    """
    try:
        found = _text(value) if isinstance(value, str) else _plain(value)
    except OverflowError:
        raise GradeError(f"{str(value)[:20]} is outside [0, {upper:g}]") from None
    if found is None or math.isnan(found):
        return None
    if not math.isfinite(found):
        raise GradeError(f"{found} is not a finite number (write null for a missing one)")
    if not -ROUNDING <= found <= upper * (1 + ROUNDING):
        in_percent = upper == 1 and 1 < found <= 100 and "%" not in str(value)
        percent = f": write {found / 100:g}, or {found:g}%" if in_percent else ""
        raise GradeError(f"{str(value)[:20]} is outside [0, {upper:g}]{percent}")
    return min(max(found, 0.0), upper)


def kind(value: Any) -> str:
    """What `value` is, in words."""
    names = {bool: "true/false", str: "text", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)


def _plain(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, Real | Decimal):  # bool, int, float, NumPy's scalars
        return float(value)
    raise GradeError(f"not a number but {kind(value)}")


def _text(text: str) -> float | None:
    word = text.strip().lower()
    if word in _MISSING:
        return None
    if word in _WORDS:
        return _WORDS[word]
    if word.endswith("%"):
        return _parsed(word[:-1].strip(), text) / 100
    return _parsed(word, text)


def _parsed(word: str, text: str) -> float:
    if _THOUSANDS.fullmatch(word):
        raise GradeError(
            f"{text[:20]!r} can be read in two ways: write a point for decimals, and no thousands separator"
        )
    if _DECIMAL_COMMA.fullmatch(word):
        word = word.replace(",", ".")
    if _NUMBER.fullmatch(word) is None:  # float() would also take "1_0", "infinity" and other scripts' digits
        raise GradeError(f"not a number but text: {text[:20]!r}")
    return float(word)
