from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.domain.errors import ParityError
from export.parity.compare import FP32, LIMITS, Answers, Limits, check, compare

RANDOM = np.random.default_rng(0)
REFERENCE = Answers(
    embedding=RANDOM.normal(size=(50, 4)).astype(np.float32),
    scores=RANDOM.normal(size=(50, 3)).astype(np.float32),
    token_count=np.full(50, 9, dtype=np.int32),
)


def test_equal_answers_pass() -> None:
    parity = compare(REFERENCE, REFERENCE, scale=1.0)
    check(parity, FP32, "engine")
    assert (parity.queries, parity.agreement, parity.max_score_error) == (50, 1.0, 0.0)


def test_score_errors_are_in_units_of_the_scale() -> None:
    shifted = replace(REFERENCE, scores=REFERENCE.scores + 0.5)
    assert compare(REFERENCE, shifted, scale=10.0).max_score_error == pytest.approx(0.05)


def test_a_score_error_fails_the_gate_even_where_the_choice_is_the_same() -> None:
    shifted = replace(REFERENCE, scores=REFERENCE.scores + 0.001)
    with pytest.raises(ParityError, match=r"engine does not agree .* score error 1\.00e-03, allowed 1\.00e-04"):
        check(compare(REFERENCE, shifted, scale=1.0), FP32, "engine")


def test_one_other_choice_fails_fp32_and_passes_a_looser_limit() -> None:
    scores = REFERENCE.scores.copy()
    scores[7] = scores[7][[1, 2, 0]]
    parity = compare(REFERENCE, replace(REFERENCE, scores=scores), scale=1.0)
    check(parity, Limits(agreement=0.98, score_error=10.0), "engine")
    with pytest.raises(ParityError, match=r"argmax agreement 98\.00%, needed 100\.00%"):
        check(parity, Limits(agreement=1.0, score_error=10.0), "engine")


@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_nan_and_infinity_fail_the_gate(damage: float) -> None:
    scores = REFERENCE.scores.copy()
    scores[3, 0] = damage
    with pytest.raises(ParityError, match="score error inf"):
        check(compare(REFERENCE, replace(REFERENCE, scores=scores), scale=1.0), FP32, "engine")


def test_another_tokenization_fails_the_gate() -> None:
    token_count = REFERENCE.token_count.copy()
    token_count[0] += 1
    with pytest.raises(ParityError, match="1 queries are tokenized differently"):
        check(compare(REFERENCE, replace(REFERENCE, token_count=token_count), scale=1.0), FP32, "engine")


def test_answers_survive_the_disk(tmp_path: Path) -> None:
    REFERENCE.write(tmp_path / "reference.safetensors")
    assert compare(REFERENCE, Answers.read(tmp_path / "reference.safetensors"), 1.0).max_embedding_error == 0


def test_another_choice_between_llms_that_torch_scores_the_same_is_a_tie_and_passes() -> None:
    scores = np.tile(np.array([0.500, 0.505, -0.3], dtype=np.float32), (50, 1))
    reference = replace(REFERENCE, scores=scores)
    rounded = replace(REFERENCE, scores=scores + np.array([0.008, 0, 0], dtype=np.float32))  # now the first is ahead
    parity = compare(reference, rounded, scale=1.0, rounding=LIMITS["int8"].rounding)
    check(parity, LIMITS["int8"], "engine")
    assert (parity.agreement, parity.ties) == (0.0, 1.0)


def test_another_choice_between_llms_that_torch_tells_apart_is_no_tie() -> None:
    scores = np.tile(np.array([0.50, 0.53, -0.3], dtype=np.float32), (50, 1))
    reference = replace(REFERENCE, scores=scores)
    rounded = replace(REFERENCE, scores=scores + np.array([0.05, 0, 0], dtype=np.float32))
    parity = compare(reference, rounded, scale=1.0, rounding=LIMITS["int8"].rounding)
    assert (parity.agreement, parity.ties) == (0.0, 0.0)
    with pytest.raises(ParityError, match="argmax agreement 0"):
        check(parity, LIMITS["int8"], "engine")


def test_a_tie_is_measured_in_units_of_the_scale() -> None:
    scores = np.tile(np.array([5.0, 5.05, -3.0], dtype=np.float32), (50, 1))
    other = scores[:, [1, 0, 2]]
    parity = compare(replace(REFERENCE, scores=scores), replace(REFERENCE, scores=other), scale=10.0, rounding=0.01)
    assert parity.ties == 1.0
