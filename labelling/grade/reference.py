"""Grades by a reference answer. One function a kind: (answer, reference, tolerance) → score in [0, 1].

| kind | right if |
|---|---|
| exact | the whole answer is the reference, but for white space around it |
| normalised | the answer or its final answer is the reference, but for case, punctuation and articles |
| numeric | the last number of the final answer is the reference within the tolerance |
| choice | the letter of the final answer is the reference's |
| json | the JSON in the answer has the reference's fields: the score is the share of them |
| regex | the reference, a regular expression, is found in the answer |
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labelling.grade.final_answer import final_answer, normalised
from labelling.grade.grader import Answers
from labelling.prompts.prompt import Prompt
from labelling.store.records import Grade

Kind = Callable[[str, Any, float], float]
_WHOLE = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_NUMBER = re.compile(rf"[-+]?(?:{_WHOLE}(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?(?:\s*/\s*\d+)?\s*%?")
MOST_OBJECTS = 1000  # tried in one answer, so that none takes long
_LETTER = re.compile(r"(?:^|[^A-Za-z])([A-J])(?![A-Za-z'’])")


class UnusableError(ValueError):
    """A reference that this kind cannot use."""


def exact(answer: str, reference: Any, tolerance: float) -> float:
    """Whether the whole answer is the reference."""
    return float(answer.strip() == str(reference).strip())


def normalised_match(answer: str, reference: Any, tolerance: float) -> float:
    """Whether the answer, or its final answer, is the reference in normalised form."""
    return float(normalised(str(reference)) in (normalised(answer), normalised(final_answer(answer))))


def numeric(answer: str, reference: Any, tolerance: float) -> float:
    """Whether the last number of the final answer is the reference within the relative tolerance."""
    expected, given = _last_number(str(reference)), _last_number(final_answer(answer))
    if expected is None:
        raise UnusableError("the reference holds no number")
    return float(given is not None and abs(given - expected) <= tolerance * max(1.0, abs(expected)))


def choice(answer: str, reference: Any, tolerance: float) -> float:
    """Whether the letter of the final answer is the reference's."""
    expected, given = _letter(str(reference)), _letter(final_answer(answer)) or _letter(answer)
    if expected is None:
        raise UnusableError("the reference is no letter from A to J")
    return float(given == expected)


def json_fields(answer: str, reference: Any, tolerance: float) -> float:
    """Share of the reference's fields that the JSON object in the answer has with equal values."""
    expected = json.loads(reference) if isinstance(reference, str) else reference
    if not isinstance(expected, Mapping) or not expected:
        raise UnusableError("the reference is no JSON object")
    given = _object_in(answer)
    return sum(name in given and _equal(given[name], value, tolerance) for name, value in expected.items()) / len(
        expected
    )


def regex(answer: str, reference: Any, tolerance: float) -> float:
    """Whether the regular expression is found in the answer."""
    try:
        return float(re.search(str(reference), answer, re.MULTILINE) is not None)
    except re.error as error:
        raise UnusableError(f"the reference is no regular expression: {error}") from None


KINDS: dict[str, Kind] = {
    "exact": exact,
    "normalised": normalised_match,
    "numeric": numeric,
    "choice": choice,
    "json": json_fields,
    "regex": regex,
}


@dataclass(frozen=True)
class ReferenceGrader:
    """Grades by the prompt's reference. `tolerance`: relative, of numbers."""

    kind: str
    tolerance: float = 1e-6
    compares = False

    @property
    def name(self) -> str:
        """See `Grader`."""
        return f"reference {self.kind}" + (f" ±{self.tolerance:g}" if self.kind in ("numeric", "json") else "")

    async def grade(self, prompt: Prompt, answers: Answers) -> Mapping[str, Grade]:
        """See `Grader`."""
        if prompt.reference is None:
            return dict.fromkeys(answers, Grade(None, "the prompt has no reference"))
        return {key: self._grade(answer, prompt.reference) for key, answer in answers.items()}

    def _grade(self, answer: str, reference: Any) -> Grade:
        try:
            return Grade(KINDS[self.kind](answer, reference, self.tolerance))
        except (UnusableError, json.JSONDecodeError) as error:
            return Grade(None, str(error) if isinstance(error, UnusableError) else "the reference is not JSON")


def _last_number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    return _value(found[-1]) if found else None


def _value(number: str) -> float | None:
    plain = number.replace(",", "").replace(" ", "")
    percent = plain.endswith("%")
    top, slash, bottom = plain.rstrip("%").partition("/")
    if slash and float(bottom) == 0:
        return None
    value = float(top) / float(bottom) if slash else float(top)
    return value / 100 if percent else value


def _letter(text: str) -> str | None:
    if len(bare := text.strip(" .()[]*:")) == 1 and bare.upper() in "ABCDEFGHIJ":
        return bare.upper()
    found = _LETTER.findall(text)
    return found[0] if found else None


def _object_in(answer: str) -> Mapping[str, Any]:
    """The last JSON object that stands in the answer; empty where there is none."""
    decoder, start = json.JSONDecoder(), -1
    found: Mapping[str, Any] = {}
    for _ in range(MOST_OBJECTS):
        if (start := answer.find("{", start + 1)) < 0:
            break
        try:
            value, end = decoder.raw_decode(answer, start)
        except (ValueError, RecursionError):
            continue
        found, start = (value if isinstance(value, dict) else found), end - 1
    return found


def _equal(given: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(expected, bool) or isinstance(given, bool):
        return given is expected
    if isinstance(expected, int | float) and isinstance(given, int | float):
        return abs(given - expected) <= tolerance * max(1.0, abs(expected))
    if isinstance(expected, str) and isinstance(given, str):
        return normalised(given) == normalised(expected)
    return bool(given == expected)
