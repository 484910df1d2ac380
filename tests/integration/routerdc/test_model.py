from pathlib import Path
from typing import Any

import pytest
import torch

from routerdc.model import RouterConfig, RouterModel, load_encoder
from tests.support.data.tiny import tiny_encoder

ARCHITECTURES = ["bert", "xlm-roberta", "deberta-v2", "modernbert"]


def _model(folder: Path, layers: int | None = None, **fields: object) -> RouterModel:
    config = RouterConfig(**{"n_llms": 3, "features": 16, "dim": 16, **fields})  # type: ignore[arg-type]
    torch.manual_seed(1)
    return RouterModel(load_encoder(folder, layers), config).eval()


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_and_batch_neighbours_do_not_change_an_embedding(
    tmp_path: Path, architecture: str, pooling: str
) -> None:
    model = _model(tiny_encoder(tmp_path, architecture), pooling=pooling)
    short, long = [2, 5, 6, 3], [2, 7, 8, 9, 10, 11, 12, 3]
    alone = model.embed(torch.tensor([short]), torch.ones(1, 4, dtype=torch.int32))
    ids = torch.tensor([short + [0] * 4, long], dtype=torch.int32)
    mask = torch.tensor([[1] * 4 + [0] * 4, [1] * 8], dtype=torch.int32)
    together = model.embed(ids, mask)
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-4)
    assert together.dtype == torch.float32
    torch.testing.assert_close(together.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_first_layers_only_gives_the_same_as_stopping_the_whole_encoder_there(
    tmp_path: Path, architecture: str
) -> None:
    folder = tiny_encoder(tmp_path, architecture)
    ids, mask = torch.tensor([[2, 5, 6, 3]]), torch.ones(1, 4, dtype=torch.long)
    cut: Any = load_encoder(folder, 1)
    whole: Any = load_encoder(folder)
    hidden = whole(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[1]
    if architecture == "modernbert":  # it ends with a norm of its own, at any depth
        hidden = whole.final_norm(hidden)
    torch.testing.assert_close(cut(input_ids=ids, attention_mask=mask).last_hidden_state, hidden, atol=1e-5, rtol=1e-4)


def test_more_layers_than_the_encoder_has_is_refused(encoder_folder: Path) -> None:
    with pytest.raises(ValueError, match="layers: 3 asked for, the encoder has 2"):
        load_encoder(encoder_folder, 3)


def test_scores_are_scaled_cosines_plus_bias(encoder_folder: Path) -> None:
    model = _model(encoder_folder, projection="mlp", hidden=5, dim=7, scale=4.0)
    model.llm_bias.data = torch.tensor([0.1, -0.2, 0.3])
    ids, mask = torch.tensor([[2, 5, 3]]), torch.ones(1, 3, dtype=torch.long)
    embedding = model.embed(ids, mask)
    expected = 4 * torch.cosine_similarity(embedding[:, None], model.llm_embeddings[None], dim=2) + model.llm_bias
    assert embedding.shape == (1, 7)
    torch.testing.assert_close(model(ids, mask), expected)


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"dim": 8}, "dim"), ({"projection": "mlp"}, "hidden"), ({"projection": "linear", "hidden": 4}, "hidden")],
)
def test_contradicting_shapes_are_named(fields: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        RouterConfig(**{"n_llms": 3, "features": 16, "dim": 16, **fields})  # type: ignore[arg-type]
