"""What the engine's benchmarks count and make up: tokens, heads for any number of LLMs, order of answers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from loadtest.bench.engine import _head, _sorted_answers, encoder_folder
from loadtest.inprocess.served_engine import CountingEngine
from loadtest.servers.worker import Worker

BUNDLES = Path(__file__).parents[4] / "bundles"


def test_padding_is_counted_apart_from_tokens() -> None:
    inner = SimpleNamespace(embed=lambda slices: [part.attention_mask.sum() for part in slices], widths="its own")
    engine = CountingEngine(inner)
    mask = np.array([[1, 1, 1], [1, 0, 0]])
    assert engine.embed([SimpleNamespace(attention_mask=mask)] * 2) == [4, 4]
    assert engine.taken() == {"real_tokens": 8, "computed_tokens": 12}
    assert engine.taken() == {"real_tokens": 0, "computed_tokens": 0}
    assert engine.widths == "its own"


def test_head_for_any_number_of_llms_fits_the_engine(tmp_path: Path) -> None:
    version = tmp_path / "routerdc" / "1"
    version.mkdir(parents=True)
    np.savez(version / "head.npz", llm_embeddings=np.ones((7, 32), np.float32), llm_bias=np.zeros(7, np.float32))
    with np.load(_head(tmp_path / "head.npz", tmp_path, 1000)) as head:
        assert (head["llm_embeddings"].shape, head["llm_bias"].shape) == ((1000, 32), (1000,))


def test_answers_come_back_in_the_order_of_the_queries() -> None:
    class Echo:
        def answers(self, queries: list[str], batch: int) -> list[Any]:
            assert queries == sorted(queries, key=len)
            return queries

    assert _sorted_answers(cast(Worker, Echo()), ["ccc", "a", "bb"]) == ["ccc", "a", "bb"]


def test_yardstick_and_shipped_bundle_stand_on_one_encoder() -> None:
    folders = {encoder_folder(BUNDLES / name) for name in ("default", "full-depth")}
    assert len(folders) == 1
    assert (folders.pop() / "config.json").is_file()
