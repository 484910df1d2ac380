from pathlib import Path

import numpy as np
import pytest
from head import Familiarity, Head


def test_scores_are_scaled_cosines_plus_bias() -> None:
    head = Head(np.array([[3.0, 0.0], [0.0, 0.5]], dtype=np.float32), np.array([0.25, -0.5], dtype=np.float32), 2.0)
    scores, familiarity = head(np.array([[0.6, 0.8]], dtype=np.float32))
    assert np.isnan(familiarity).all()  # a bundle without anchors does not know
    np.testing.assert_allclose(scores, [[2 * 0.6 + 0.25, 2 * 0.8 - 0.5]], rtol=1e-6)
    assert scores.dtype == np.float32


def test_a_damaged_embedding_is_refused_rather_than_ranked() -> None:
    head = Head(np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.float32), 1.0)
    with pytest.raises(FloatingPointError, match="export it again"):
        head(np.array([[np.nan, 1.0]], dtype=np.float32))


def test_load_reads_what_export_writes(tmp_path: Path) -> None:
    np.savez(tmp_path / "head.npz", llm_embeddings=np.eye(3, dtype=np.float32), llm_bias=np.zeros(3, dtype=np.float32))
    scores, _ = Head.load(tmp_path / "head.npz", 4.0)(np.array([[0.0, 1.0, 0.0]], dtype=np.float32))
    assert scores.tolist() == [[0.0, 4.0, 0.0]]


def test_scores_leave_the_prior_as_far_as_the_query_is_familiar() -> None:
    anchors = np.array([[0.0, 1.0], [0.0, -1.0]], dtype=np.float32)
    known = Familiarity(anchors, np.array([0.6, 0.8], np.float32), np.array([1.0, -1.0], np.float32))
    head = Head(np.array([[1.0, 0.0], [-1.0, 0.0]], dtype=np.float32), np.zeros(2, np.float32), 1.0, known)
    far, between, near = np.array([[1.0, 0.0], [0.714, 0.7], [-0.6, 0.8]], dtype=np.float32)
    scores, familiarity = head(np.stack([far, between, near]))
    np.testing.assert_allclose(familiarity, [0.0, 0.5, 1.0], atol=1e-5)
    np.testing.assert_allclose(scores, [[1.0, -1.0], [0.857, -0.857], [-0.6, 0.6]], atol=1e-5)
