"""Values by hand, gradients by finite differences, and the edges: ties, nothing known, everything masked."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from routerdc.losses.correctness import correctness_loss
from routerdc.losses.sample_llm import sample_llm_loss
from routerdc.losses.sample_sample import drawn_sample_sample_loss, sample_sample_loss
from routerdc.losses.weighted_sample_llm import weighted_sample_llm_loss

NAN = float("nan")
ON_SCORES: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda scores, quality: sample_llm_loss(scores, quality, 2, 2),
    lambda scores, quality: weighted_sample_llm_loss(scores, quality, 0.1),
    lambda scores, quality: weighted_sample_llm_loss(scores, quality, 0.1, "logit"),
    correctness_loss,
]


@pytest.mark.parametrize("loss", ON_SCORES)
def test_gradients_of_losses_on_scores_are_right(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    scores = torch.randn(4, 5, dtype=torch.double, generator=torch.Generator().manual_seed(0), requires_grad=True)
    quality = torch.tensor([[1, 0, 0.3, NAN, 0.2], [0.9, 0.8, 0.7, 0.1, 0], [0] * 5, [1, 0, 1, 0, 1]]).double()
    assert torch.autograd.gradcheck(lambda s: loss(s, quality), (scores,))


@pytest.mark.parametrize("loss", ON_SCORES)
@pytest.mark.parametrize("quality", [[[NAN] * 3], [[0.0] * 3], [[1.0] * 3], [[NAN, NAN, 1.0]]])
def test_rows_without_a_contrast_give_finite_losses_and_gradients(
    loss: Callable[[Tensor, Tensor], Tensor], quality: list[list[float]]
) -> None:
    scores = torch.tensor([[50.0, -50.0, 0.0]], requires_grad=True)
    value = loss(scores, torch.tensor(quality))
    value.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(value)
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("loss", ON_SCORES)
def test_an_unknown_quality_moves_nothing_of_its_column(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    scores = torch.zeros(1, 4, requires_grad=True)
    loss(scores, torch.tensor([[1.0, 0.0, NAN, 0.2]])).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert scores.grad[0, 2] == 0
    assert scores.grad[0, 0] < 0


def test_published_loss_is_the_formula_of_the_paper() -> None:
    scores, quality = torch.tensor([[0.5, 0.1, -0.2, 0.3]]), torch.tensor([[0.9, 0.0, 0.1, 0.6]])
    s = [math.exp(x) for x in scores[0].tolist()]
    expected = -math.log(s[0] / (s[0] + s[1] + s[2])) - math.log(s[3] / (s[3] + s[1] + s[2]))
    assert sample_llm_loss(scores, quality, 2, 2).item() == pytest.approx(expected, rel=1e-5)


def test_published_loss_takes_no_useless_positive_and_no_good_negative() -> None:
    scores = torch.tensor([[0.5, 0.1, -0.2]], requires_grad=True)
    sample_llm_loss(scores, torch.tensor([[0.9, 0.6, 0.7]]), 3, 3).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert (scores.grad == 0).all()
    assert sample_llm_loss(scores, torch.zeros(1, 3), 3, 3).item() == 0


def test_weighted_loss_is_least_where_score_gaps_are_four_times_quality_gaps() -> None:
    quality = torch.tensor([[0.7, 0.5, 0.2]])
    scores = (4 * quality).requires_grad_()
    weighted_sample_llm_loss(scores, quality, 0.05).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    torch.testing.assert_close(scores.grad, torch.zeros(1, 3), atol=1e-6, rtol=0)


def test_weighted_loss_of_logits_and_correctness_loss_are_least_at_the_same_scores() -> None:
    quality = torch.tensor([[0.95, 0.85, 0.3]])
    scores = torch.logit(quality).requires_grad_()
    loss = weighted_sample_llm_loss(scores, quality, 0.05, "logit") + correctness_loss(scores, quality)
    loss.backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    torch.testing.assert_close(scores.grad, torch.zeros(1, 3), atol=1e-6, rtol=0)


def test_weighted_loss_asks_for_indifference_between_ties() -> None:
    scores = torch.tensor([[1.0, -1.0]], requires_grad=True)
    weighted_sample_llm_loss(scores, torch.tensor([[1.0, 1.0]]), 0.1).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert scores.grad[0, 0] > 0 > scores.grad[0, 1]


def test_correctness_loss_is_least_at_the_logit() -> None:
    scores = torch.logit(torch.tensor([[0.8, 0.3]])).requires_grad_()
    correctness_loss(scores, torch.tensor([[0.8, 0.3]])).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    torch.testing.assert_close(scores.grad, torch.zeros(1, 2), atol=1e-6, rtol=0)


def test_sample_sample_gradients_are_right() -> None:
    raw = torch.randn(5, 3, dtype=torch.double, generator=torch.Generator().manual_seed(0), requires_grad=True)
    clusters = torch.tensor([0, 0, 1, 1, 2])
    assert torch.autograd.gradcheck(lambda e: sample_sample_loss(F.normalize(e, dim=1), clusters), (raw,))


@pytest.mark.parametrize("clusters", [[0, 0, 0], [0, 1, 2], [0]])
def test_sample_sample_losses_are_finite_where_a_positive_or_a_negative_is_missing(clusters: list[int]) -> None:
    embedding = F.normalize(torch.ones(len(clusters), 2), dim=1).requires_grad_()
    ids = torch.tensor(clusters)
    drawn = drawn_sample_sample_loss(embedding, ids, 3, torch.Generator().manual_seed(0))
    value = sample_sample_loss(embedding, ids) + drawn
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0
    assert embedding.grad is not None
    assert torch.isfinite(embedding.grad).all()


@pytest.mark.parametrize("drawn", [False, True])
def test_sample_sample_losses_fall_as_clusters_part(drawn: bool) -> None:
    clusters = torch.tensor([0, 0, 1, 1])

    def loss(rows: list[list[float]]) -> float:
        embedding = F.normalize(torch.tensor(rows), dim=1)
        if drawn:
            return drawn_sample_sample_loss(embedding, clusters, 2, torch.Generator().manual_seed(0)).item()
        return sample_sample_loss(embedding, clusters).item()

    apart = [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]
    mixed = [[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]
    assert loss(apart) < loss(mixed)
