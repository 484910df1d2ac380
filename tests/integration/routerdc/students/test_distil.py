"""A student learns the teacher's features, and is an encoder like any other once it is written."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from routerdc.students.architecture import Size, new_student
from routerdc.students.distil import Effort, Lesson, distil
from routerdc.students.folder import write_student
from routerdc.training.encoder import open_encoder
from routerdc.training.recipe import load_recipe

VOCABULARY = 40
TOKENIZER = Path(__file__).parents[4] / "bundles/default/tokenizer.json"


@pytest.fixture(scope="module")
def vocabulary() -> torch.Tensor:
    """A teacher's features of each token alone."""
    return torch.randn(VOCABULARY, 24, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def lesson(vocabulary: torch.Tensor) -> Lesson:
    """Texts whose features are the mean of those of their tokens: what a static student can learn."""
    random = np.random.default_rng(0)
    ids = [random.integers(0, VOCABULARY, random.integers(3, 12)).tolist() for _ in range(400)]
    return Lesson(ids, np.stack([vocabulary[row].mean(dim=0).numpy() for row in ids]))


@pytest.mark.parametrize("size", [Size(16), Size(16, layers=1, heads=2, feed_forward=32)], ids=lambda size: size.name)
def test_a_student_learns_and_explains_texts_it_has_not_seen(
    size: Size, vocabulary: torch.Tensor, lesson: Lesson
) -> None:
    before = distil(new_student(size, vocabulary, 0), size.width, lesson, Effort(epochs=1, rate=1e-6), 0)
    after = distil(new_student(size, vocabulary, 0), size.width, lesson, Effort(epochs=12, rate=1e-2, batch=32), 0)
    assert before < 0.2
    assert after > 0.5


def test_the_same_seed_gives_the_same_student(vocabulary: torch.Tensor, lesson: Lesson) -> None:
    students = [new_student(Size(16), vocabulary, 3) for _ in range(2)]
    effort = Effort(epochs=1, rate=1e-2)
    assert distil(students[0], 16, lesson, effort, 3) == distil(students[1], 16, lesson, effort, 3)
    for one, other in zip(students[0].parameters(), students[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_written_student_is_an_encoder_for_any_recipe(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    student = new_student(Size(16), torch.randn(tokenizer.get_vocab_size(), 24), 0)
    write_student(student, tokenizer, tmp_path / "static-16")
    encoder = open_encoder(load_recipe("default").with_encoder(f"path:{tmp_path / 'static-16'}").encoder, cache=None)
    assert encoder.width == 16
    long = "What is the capital of France? " * 80
    features = encoder.features([long, "def add(a, b):"])
    assert features.shape == (2, 16)
    assert np.isfinite(features).all()
