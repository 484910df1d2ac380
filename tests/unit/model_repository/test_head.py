from pathlib import Path

import numpy as np
import pytest
from head import Head


def test_scores_are_scaled_cosines_plus_bias() -> None:
    head = Head(np.array([[3.0, 0.0], [0.0, 0.5]], dtype=np.float32), np.array([0.25, -0.5], dtype=np.float32), 2.0)
    scores = head.scores(np.array([[0.6, 0.8]], dtype=np.float32))
    np.testing.assert_allclose(scores, [[2 * 0.6 + 0.25, 2 * 0.8 - 0.5]], rtol=1e-6)
    assert scores.dtype == np.float32


def test_a_damaged_embedding_is_refused_rather_than_ranked() -> None:
    head = Head(np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.float32), 1.0)
    with pytest.raises(FloatingPointError, match="export it again"):
        head.scores(np.array([[np.nan, 1.0]], dtype=np.float32))


def test_load_reads_what_export_writes(tmp_path: Path) -> None:
    np.savez(tmp_path / "head.npz", llm_embeddings=np.eye(3, dtype=np.float32), llm_bias=np.zeros(3, dtype=np.float32))
    scores = Head.load(tmp_path / "head.npz", 4.0).scores(np.array([[0.0, 1.0, 0.0]], dtype=np.float32))
    assert scores.tolist() == [[0.0, 4.0, 0.0]]
