"""How rows become embeddings: slices sorted by length change nothing but the work."""

import copy

import pytest
import torch
from torch import Tensor

from routerdc.batches import pad
from routerdc.model import RouterConfig, RouterModel, load_encoder
from routerdc.training.preparation.inputs import SLICES, TokenInputs
from tests.support.data.tiny import tiny_encoder

LENGTHS = [3, 12, 5, 5, 16, 2, 9, 4, 7, 11, 6]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RouterModel:
    encoder = load_encoder(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    torch.manual_seed(0)
    return RouterModel(encoder, RouterConfig(n_llms=3, features=16, dim=16)).eval()


def _ids() -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(4, 50, (length,), generator=generator).tolist() for length in LENGTHS]


def _loss(model: RouterModel, embedding: Tensor) -> Tensor:
    similarity = embedding @ embedding.T  # every row with every other: what slices must not break
    return model.score(embedding).logsumexp(dim=1).mean() + similarity.exp().mean()


def test_a_batch_in_slices_has_the_embeddings_and_gradients_of_the_batch_padded_as_a_whole(model: RouterModel) -> None:
    ids, rows = _ids(), torch.tensor([4, 0, 9, 1, 5, 10, 2])
    assert len(rows) > SLICES["cpu"]
    sliced, whole = copy.deepcopy(model), copy.deepcopy(model)
    in_slices = TokenInputs(ids).embed(sliced, rows, None)
    batch = pad(ids, rows.tolist())
    at_once = whole.embed(batch.input_ids, batch.attention_mask)
    torch.testing.assert_close(in_slices, at_once)
    _loss(sliced, in_slices).backward()  # type: ignore[no-untyped-call]
    _loss(whole, at_once).backward()  # type: ignore[no-untyped-call]
    for (name, one), (_, other) in zip(sliced.named_parameters(), whole.named_parameters(), strict=True):
        if other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, msg=name)


def test_no_slice_holds_more_rows_than_the_device_is_best_at(
    model: RouterModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    embed = model.embed

    def counted(input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        sizes.append(len(input_ids))
        return embed(input_ids, attention_mask)

    monkeypatch.setattr(model, "embed", counted)
    TokenInputs(_ids()).embed(model, torch.arange(len(LENGTHS)), None)
    assert sizes == [4, 4, 3]
