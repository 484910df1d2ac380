from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routerdc.tokenization import Side
from routerdc.training.compute import depths
from routerdc.training.compute.depths import encode_once
from routerdc.training.encoder import open_encoder
from routerdc.training.preparation.encoding import pooled
from routerdc.training.preparation.features import Floats
from tests.support.data.tiny import tiny_encoder, tiny_recipe

QUERIES = ["add w1", "code w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11", "sum", "add w1"]
WAYS: list[tuple[int, Side]] = [(8, "right"), (8, "left"), (12, "right")]


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [("bert", (2, 0, 1)), ("xlm-roberta", (1, 2)), ("deberta-v2", (1, 2)), ("modernbert", (1, 2))],
)
def test_one_pass_of_the_deepest_gives_what_every_shallower_encoder_would(
    tmp_path: Path, architecture: str, layers: tuple[int, ...]
) -> None:
    recipe = tiny_recipe(tiny_encoder(tmp_path / "encoder", architecture)).encoder
    encode_once(QUERIES, recipe, layers, WAYS, "cpu", tmp_path / "shared")
    for depth in layers:
        for limit, side in WAYS:
            way = {"layers": depth, "max_tokens": limit, "truncation_side": side}
            changed = recipe.model_copy(update=way)
            shared = open_encoder(changed, cache=tmp_path / "shared").features(QUERIES)
            np.testing.assert_allclose(shared, open_encoder(changed, cache=None).features(QUERIES), atol=1e-5)


def test_a_sequence_that_several_limits_and_sides_leave_whole_is_encoded_once(
    tmp_path: Path, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    def counting(layers_of: Any, ids: Sequence[Sequence[int]], *rest: Any) -> Floats:
        encoded.append(len(ids))
        return pooled(layers_of, ids, *rest)

    monkeypatch.setattr(depths, "pooled", counting)
    recipe = tiny_recipe(encoder_folder).encoder
    encode_once(QUERIES, recipe, [1, 2], WAYS, "cpu", tmp_path)
    encode_once([*QUERIES, "print"], recipe, [1, 2], WAYS, "cpu", tmp_path)
    assert encoded == [2 + 3, 1]  # two short queries, three cuts of the long one; then what is new
