"""The model's code in this process: the same code once, other code by itself, and nothing of it left behind."""

import shutil
import sys
from importlib import import_module
from pathlib import Path

from export.parity.triton_model_runner import served_code
from export.triton.config import MODEL_FOLDER


def test_a_copy_of_the_same_code_is_imported_once(tmp_path: Path) -> None:
    shutil.copytree(MODEL_FOLDER / "1", tmp_path / "1")
    with served_code(MODEL_FOLDER / "1") as first:
        word_pieces = import_module("tokens.word_pieces")
    with served_code(tmp_path / "1") as second:
        assert (second, import_module("tokens.word_pieces")) == (first, word_pieces)


def test_other_code_is_imported_by_itself(tmp_path: Path) -> None:
    shutil.copytree(MODEL_FOLDER / "1", tmp_path / "1")
    with (tmp_path / "1/pipeline.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    with served_code(MODEL_FOLDER / "1") as first, served_code(tmp_path / "1") as second:
        assert not hasattr(first, "CHANGED")
        assert second.CHANGED


def test_what_was_imported_before_stays() -> None:
    before = import_module("pipeline")
    with served_code(MODEL_FOLDER / "1") as served:
        assert served is not before
    assert sys.modules["pipeline"] is before
