"""The pipeline around a fake engine whose embedding tells which text it belongs to."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from engines.engine import TokenSlice
from head import Head
from pipeline import Pipeline
from settings import Settings
from tokenizers import Tokenizer
from tokens.tokenization import Tokenization

BUNDLE_TOKENIZER = Path(__file__).parents[3] / "bundles/default/tokenizer.json"


class FirstTokenEngine:
    """Embeds a text as the angle of its first word's token id; notes the shapes it was called with."""

    def __init__(self, parallel: int = 1) -> None:
        self.parallel = parallel
        self.shapes: list[tuple[int, ...]] = []

    def embed(self, slices: Sequence[TokenSlice]) -> list[npt.NDArray[np.float32]]:
        return [self._embed_one(part) for part in slices]

    def _embed_one(self, part: TokenSlice) -> npt.NDArray[np.float32]:
        self.shapes.append(part.input_ids.shape)
        assert (part.input_ids[part.attention_mask == 0] == 0).all()
        angle = part.input_ids[:, 1].astype(np.float32) / 1e4
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def pipeline_around(
    engine: FirstTokenEngine, slice_tokens: int = 64, width_multiple: int = 1, row_counts: Sequence[int] = ()
) -> Pipeline:
    tokenization = Tokenization(Tokenizer.from_file(str(BUNDLE_TOKENIZER)), 32, "right")
    head = Head(np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.float32), 1.0)
    return Pipeline("0123456789abcdef", tokenization, engine, head, slice_tokens, width_multiple, row_counts)


TEXTS = ["dog " * 20, "cat", "house boat", "tree " * 50, "cat " * 3, "river"]


def test_answers_are_in_the_order_of_the_texts() -> None:
    pipeline = pipeline_around(FirstTokenEngine())
    together = pipeline.route(TEXTS)
    alone = [pipeline.route([text]) for text in TEXTS]
    np.testing.assert_array_equal(together.scores, np.concatenate([one.scores for one in alone]))
    np.testing.assert_array_equal(together.token_count, np.concatenate([one.token_count for one in alone]))
    np.testing.assert_array_equal(together.truncated, [False, False, False, True, False, False])
    np.testing.assert_array_equal(together.choice, together.scores.argmax(axis=1))


def test_no_engine_call_exceeds_the_token_budget() -> None:
    engine = FirstTokenEngine()
    pipeline_around(engine, slice_tokens=64).route(TEXTS * 10)
    assert all(rows * width <= 64 for rows, width in engine.shapes)


def test_a_small_batch_gives_every_worker_of_the_engine_a_slice() -> None:
    engine = FirstTokenEngine(parallel=2)
    pipeline_around(engine).route(["river", "cat"])
    assert engine.shapes == [(1, 3), (1, 3)]


def test_padded_widths_are_few_and_answers_the_same() -> None:
    engine = FirstTokenEngine()
    texts = [word * n for word in ("dog ", "cat ") for n in range(1, 40)]
    wide = pipeline_around(engine, slice_tokens=512, width_multiple=12).route(texts)
    assert {width for _, width in engine.shapes} <= {12, 24, 32}  # 32 is the limit
    assert all(rows * width <= 512 for rows, width in engine.shapes)
    np.testing.assert_array_equal(wide.scores, pipeline_around(FirstTokenEngine()).route(texts).scores)


def test_rows_are_filled_up_to_a_known_count_and_answers_the_same() -> None:
    engine = FirstTokenEngine()
    filled = pipeline_around(engine, slice_tokens=512, width_multiple=32, row_counts=(4, 8)).route(TEXTS)
    assert engine.shapes == [(8, 32)]  # six texts
    np.testing.assert_array_equal(filled.scores, pipeline_around(FirstTokenEngine()).route(TEXTS).scores)


def test_almost_no_padding_is_computed() -> None:
    engine = FirstTokenEngine()
    routing = pipeline_around(engine, slice_tokens=128).route(TEXTS * 10)
    assert routing.token_count.sum() / sum(rows * width for rows, width in engine.shapes) >= 0.9


def test_an_empty_version_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="routerdc export"):
        Pipeline.load(tmp_path, Settings("onnxruntime", slice_tokens=1, max_query_bytes=1, engine_threads=1))
