"""Grades by a reference answer."""

from typing import Any

import pytest

from labelling.grade.final_answer import final_answer
from labelling.grade.reference import ReferenceGrader
from labelling.prompts.prompt import Prompt


async def score(kind: str, answer: str, reference: Any, tolerance: float = 1e-6) -> float | None:
    prompt = Prompt(({"role": "user", "content": "?"},), reference=reference)
    return (await ReferenceGrader(kind, tolerance).grade(prompt, {"a": answer}))["a"].score


@pytest.mark.parametrize(
    ("kind", "answer", "reference", "expected"),
    [
        ("exact", " Paris\n", "Paris", 1),
        ("exact", "paris", "Paris", 0),
        ("normalised", "It is in France.\nAnswer: **The Eiffel Tower.**", "eiffel tower", 1),
        ("normalised", "The answer is Lyon.", "Paris", 0),
        ("normalised", "Ｐａｒｉｓ", "Paris", 1),
        ("numeric", "First 3, then 4.\n#### 1,234", 1234, 1),
        ("numeric", "so \\boxed{\\frac{1}{2}} no: \\boxed{0.5}", "1/2", 1),
        ("numeric", "The answer is 50%.", 0.5, 1),
        ("numeric", "The answer is 12.1", 12, 0),
        ("numeric", "The answer is -3 apples", "-3", 1),
        ("numeric", "I do not know.", 12, 0),
        ("numeric", "The answer is 1/0", 1, 0),
        ("choice", "A looks right, but the answer is (B).", "B", 1),
        ("choice", "C", "c", 1),
        ("choice", "D) because of A", "A", 0),
        ("json", 'Here: {"city": "paris", "people": 2100000.0, "extra": 1}', {"city": "Paris", "people": 2100000}, 1),
        ("json", '```json\n{"city": "Lyon", "people": 2100000}\n```', '{"city": "Paris", "people": 2100000}', 0.5),
        ("json", '{"ok": 1}', {"ok": True}, 0),
        ("json", "no object", {"ok": True}, 0),
        ("regex", "order 66-A shipped", r"\b66-[A-C]\b", 1),
        ("regex", "order 66-D shipped", r"\b66-[A-C]\b", 0),
    ],
)
async def test_each_kind_finds_right_and_wrong(kind: str, answer: str, reference: Any, expected: float) -> None:
    assert await score(kind, answer, reference) == expected


@pytest.mark.parametrize(
    ("kind", "reference"),
    [("numeric", "many"), ("choice", "all"), ("json", "[1]"), ("json", "{"), ("regex", "("), ("exact", None)],
)
async def test_a_reference_that_cannot_be_used_leaves_the_grade_missing(kind: str, reference: Any) -> None:
    assert await score(kind, "x", reference) is None


async def test_the_tolerance_is_relative() -> None:
    assert await score("numeric", "101", 100, tolerance=0.02) == 1
    assert await score("numeric", "103", 100, tolerance=0.02) == 0


def test_the_last_mark_counts() -> None:
    assert final_answer("The answer is 4. Wait, no: the answer is 5.") == "5"


@pytest.mark.parametrize(
    "answer",
    ["The answer is 12/05/2024", "See table3", "e5", "1/1/1/1", "%", "/ 5", "+.", "1e999", "1,2,3,", "9" * 5000],
)
async def test_no_answer_is_too_odd_for_a_number(answer: str) -> None:
    assert await score("numeric", answer, 12.0) == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("answer", ["answer:" + "\n" * 50_000, "{" * 50_000, '{"a":' * 50_000, "\\boxed{" * 50_000])
async def test_an_llm_that_repeats_itself_is_graded_in_no_time(answer: str) -> None:
    """Quadratic time would take minutes."""
    assert [await score(kind, answer, '{"a": 1}') for kind in ("json", "normalised")] == [0, 0]
    assert await score("numeric", answer, 12) == 0
