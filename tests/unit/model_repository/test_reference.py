"""What a version of the model proves itself on."""

from pathlib import Path

import numpy as np
import pytest
from reference import Reference, WrongAnswersError

from export.parity.compare import FP32, Answers
from export.parity.reference import write_reference
from export.parity.samples import sample_queries

N = len(sample_queries())
SCORES = np.arange(2 * N, dtype=np.float32).reshape(N, 2)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    """As export writes it."""
    embedding = np.zeros((N, 1), np.float32)
    write_reference(tmp_path, Answers(embedding, SCORES, np.zeros(N, np.int32)), FP32, scale=8.0)
    return Reference.load(tmp_path)


def scores_of(queries: list[str], off_by: float = 0.0) -> np.ndarray:  # type: ignore[type-arg]
    found = SCORES[[sample_queries().index(query) for query in queries]].copy()
    found[1, 0] += off_by
    return found


def test_the_routers_own_answers_pass(reference: Reference) -> None:
    reference.check(lambda queries: scores_of(list(queries), off_by=7e-4))


@pytest.mark.parametrize("off_by", [1e-3, np.nan, np.inf])
def test_other_answers_are_refused(reference: Reference, off_by: float) -> None:
    with pytest.raises(WrongAnswersError, match=r"allowed is 0\.0008"):
        reference.check(lambda queries: scores_of(list(queries), off_by))


def test_another_number_of_llms_is_refused(reference: Reference) -> None:
    with pytest.raises(WrongAnswersError, match="those of the reference"):
        reference.check(lambda queries: scores_of(list(queries))[:, :1])


def test_a_version_without_reference_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="routerdc export"):
        Reference.load(tmp_path)
