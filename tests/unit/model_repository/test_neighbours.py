import json
from pathlib import Path
from typing import Any

import numpy as np
from neighbours import NEIGHBOURS_FILE, SHOWN, Neighbours


def written(folder: Path, angles: list[float], grades: list[list[float]]) -> Path:
    """Queries `q0`, `q1`, … at these angles in the plane, graded for the LLMs `a` and `ü/b`."""
    np.savez_compressed(
        folder / NEIGHBOURS_FILE,
        embeddings=np.array([[np.cos(a), np.sin(a)] for a in angles], np.float16),
        grades=np.array(grades, np.float16),
        queries=np.array([f"q{i}" for i in range(len(angles))]),
        llms=np.array(["a", "ü/b"]),
    )
    return folder


def answers(neighbours: Neighbours, *angles: float) -> list[Any]:
    embedding = np.array([[np.cos(a), np.sin(a)] for a in angles], np.float32)
    return [json.loads(answer) for answer in neighbours(embedding)]


def test_nearest_come_first_with_their_cosine_and_the_grades_that_there_are(tmp_path: Path) -> None:
    neighbours = Neighbours.load(written(tmp_path, [2.0, 0.1, 0.5], [[1, 0], [1, np.nan], [0.25, 0.5]]))
    assert neighbours is not None
    first, other = answers(neighbours, 0.0, 2.0)
    assert [row["query"] for row in first] == ["q1", "q2", "q0"]
    assert [row["grades"] for row in first] == [{"a": 1.0}, {"a": 0.25, "ü/b": 0.5}, {"a": 1.0, "ü/b": 0.0}]
    np.testing.assert_allclose([row["similarity"] for row in first], np.cos([0.1, 0.5, 2.0]), atol=2e-3)
    assert other[0]["query"] == "q0"


def test_a_few_are_shown_of_many(tmp_path: Path) -> None:
    neighbours = Neighbours.load(written(tmp_path, [i / 10 for i in range(30)], [[1, 0]] * 30))
    assert neighbours is not None
    assert [row["query"] for row in answers(neighbours, 0.0)[0]] == [f"q{i}" for i in range(SHOWN)]


def test_a_bundle_without_the_file_has_none(tmp_path: Path) -> None:
    assert Neighbours.load(tmp_path) is None
