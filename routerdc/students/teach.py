"""Teacher, texts and sizes in; encoder folders out: what `python -m routerdc.students distil` does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from routerdc.students.architecture import LONGEST, Size, new_student
from routerdc.students.distil import Effort, Floats, Lesson, distil
from routerdc.students.folder import write_student
from routerdc.tokenization import token_ids
from routerdc.training.encoder import Encoder
from routerdc.training.preparation.recipe_parts import EncoderRecipe

_TOKENS_AT_ONCE = 2048


@dataclass(frozen=True)
class Taught:
    """A student's folder, and the share of the teacher's variance that it explains on held-out texts."""

    folder: Path
    explained: float


def teach(
    teacher: Encoder,
    recipe: EncoderRecipe,
    texts: Sequence[str],
    sizes: Sequence[tuple[Size, Effort]],
    out: Path,
    seed: int,
) -> Iterator[Taught]:
    """Distils a student of each size from `teacher`, which `recipe` opened, and writes it to a folder in `out`."""
    ids = token_ids(teacher.tokenizer, texts, recipe.max_tokens, recipe.truncation_side)
    lesson = Lesson(ids, teacher.features(texts))
    vocabulary = torch.from_numpy(vocabulary_features(teacher))
    for size, effort in sizes:
        student = new_student(size, vocabulary, seed)
        explained = distil(student, size.width, lesson, effort, seed)
        write_student(student, teacher.tokenizer, out / size.name)
        yield Taught(out / size.name, explained)


def vocabulary_features(teacher: Encoder) -> Floats:
    """The teacher's features of each token alone, between its special tokens: (vocabulary, width)."""
    (around,) = token_ids(teacher.tokenizer, ["a"], LONGEST, "right")
    parts = []
    with torch.inference_mode():
        for tokens in torch.split(torch.arange(teacher.tokenizer.get_vocab_size()), _TOKENS_AT_ONCE):
            row = torch.tensor(around).repeat(len(tokens), 1)
            row[:, 1] = tokens
            output = teacher.model(input_ids=row, attention_mask=torch.ones_like(row))
            parts.append(output.last_hidden_state.mean(dim=1))
    features: Floats = torch.cat(parts).numpy()
    return features
