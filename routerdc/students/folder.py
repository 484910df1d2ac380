"""A student as a folder that a recipe or `--encoder path:FOLDER` names: configuration, weights in fp16, tokenizer."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer


def write_student(student: Any, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes `config.json`, `model.safetensors` and `tokenizer.json`; the student itself is rounded to fp16.

    So features that are computed before the folder is read again are those of its weights as they stand there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    student.half().save_pretrained(folder)
    student.float()
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.no_truncation()
    plain.no_padding()
    plain.save(str(folder / "tokenizer.json"))
