"""An LLM joins or leaves a trained router: one embedding and one bias are learned or dropped, nothing else moves.

Joining from few scored queries is a matter of how much to believe them. The new column starts where the average LLM of
the pool stands, and leaves it as far as the data ask for, against a Gaussian prior with the covariance of the pool's
own columns (empirical Bayes): where LLMs differ much, as on mathematics, a few queries are believed; where all are
alike, not. Where the scored queries also carry scores of LLMs already in the pool, these say how hard each query
happened to be, and that part of the luck is taken out (a control variate).

A newcomer is chosen where it is better by `CAUTION` standard errors. From a hundred queries it looks better than
the best of a pool somewhere by luck alone, and on training data the plain estimate lost more than it found
(docs/log/training.md); an LLM that is clearly better is found nevertheless. What caution takes from the scores, the
calibration gives back to P(correct).

Does not know encoders' files or the command line.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from routerdc.data.dataset import Dataset
from routerdc.model import RouterModel
from routerdc_contract.bundle import Calibration

OWN_SHARE = 0.25
"""Variance that a new LLM has beyond what the pool's LLMs show, as a share of theirs."""
CAUTION = 0.5
"""Standard errors of a new LLM's scores, on the average query, that are taken off them."""
SEEN = 1e-3  # share of the embeddings' energy above which a direction counts as seen


class PoolError(ValueError):
    """A change that cannot be made."""


def with_llm(
    model: RouterModel, llms: Sequence[str], embedding: Tensor, scored: Dataset, name: str
) -> tuple[RouterModel, Calibration]:
    """A copy of `model` with one more column, the last, for the LLM `name`; all others are bit-identical.

    Its scores are cautious; the calibration beside it says what they mean.

    Args:
        llms: names of the model's columns.
        embedding: (n, dim), the model's embeddings of `scored.queries`.
        scored: must have scores of `name`; rows without are not used.

    Raises:
        PoolError: `name` is in the pool already, or nothing in `scored` is about it.
    """
    if name in llms:
        raise PoolError(f"{name}: is in the pool already; remove it first to learn it anew")
    if name not in scored.llms:
        raise PoolError(f"{name}: no scores of it in {scored.name}; there are {', '.join(scored.llms)}")
    quality = torch.from_numpy(scored.aligned([name]).quality()[:, 0])
    known = ~quality.isnan()
    if not bool(known.any()):
        raise PoolError(f"{name}: all of its scores in {scored.name} are missing")
    pool_quality = torch.from_numpy(scored.aligned(llms).quality())[known]
    row, bias, error = _learn_column(model, embedding[known].double(), quality[known].double(), pool_quality.double())
    cautious = bias - CAUTION * error
    changed = _resized(
        model,
        torch.cat([model.llm_embeddings.detach(), row[None].float()]),
        torch.cat([model.llm_bias.detach(), cautious[None].float()]),
        _prior_with(model, embedding[known], row, cautious),
    )
    return changed, Calibration(slope=1.0, intercept=CAUTION * error.item())  # scores are logits but for the caution


def without_llm(model: RouterModel, llms: Sequence[str], name: str) -> RouterModel:
    """A copy of `model` without the column of the LLM `name`; all others are bit-identical.

    Raises:
        PoolError: `name` is not in the pool, or is the only one.
    """
    if name not in llms:
        raise PoolError(f"{name}: not in the pool; it holds {', '.join(llms)}")
    if len(llms) == 1:
        raise PoolError(f"{name}: is the only LLM in the pool")
    kept = [column for column, llm in enumerate(llms) if llm != name]
    prior = None if model.familiarity is None else model.familiarity.prior[kept]
    return _resized(model, model.llm_embeddings.detach()[kept], model.llm_bias.detach()[kept], prior)


def _prior_with(model: RouterModel, embedding: Tensor, row: Tensor, bias: Tensor) -> Tensor | None:
    """The prior with one more LLM, whose scores on the average query are its own; None where there is no prior."""
    if model.familiarity is None:
        return None
    average = (model.config.scale * embedding.double() @ row.double() + bias.double()).mean()
    return torch.cat([model.familiarity.prior, average[None].float()])


def _resized(model: RouterModel, llm_embeddings: Tensor, llm_bias: Tensor, prior: Tensor | None) -> RouterModel:
    changed = RouterModel(copy.deepcopy(model.encoder), replace(model.config, n_llms=len(llm_bias)))
    changed.projection = copy.deepcopy(model.projection)
    changed.llm_embeddings = torch.nn.Parameter(llm_embeddings.clone())
    changed.llm_bias = torch.nn.Parameter(llm_bias.clone())
    if model.familiarity is not None and changed.familiarity is not None and prior is not None:
        changed.familiarity.load_state_dict({**model.familiarity.state_dict(), "prior": prior})
    return changed.eval()


def _learn_column(
    model: RouterModel, embedding: Tensor, quality: Tensor, pool_quality: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(embedding of the LLM (dim,), bias, standard error of its scores): a logistic model on the unit embeddings.

    Maximum a posteriori; the error is that of the Laplace approximation, averaged over the queries.
    """
    scale = model.config.scale
    columns = scale * F.normalize(model.llm_embeddings.detach(), dim=-1)
    pool = torch.cat([columns, model.llm_bias.detach()[:, None]], dim=1).double()
    inputs = torch.cat([embedding, torch.ones(len(embedding), 1, dtype=torch.double)], dim=1)
    quality = quality - _luck(inputs @ pool.T, pool_quality, quality)
    average, precision = pool.mean(dim=0), _prior_precision(inputs, pool)
    direction = average[:-1].clone().requires_grad_()
    bias = average[-1].clone().requires_grad_()
    optimizer = torch.optim.LBFGS([direction, bias], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        column = torch.cat([scale * F.normalize(direction, dim=-1), bias[None]])
        fit = F.binary_cross_entropy_with_logits(inputs @ column, quality, reduction="sum")
        away = column - average
        loss = fit + 0.5 * away @ precision @ away
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    row = F.normalize(direction.detach(), dim=-1)
    column = torch.cat([scale * row, bias.detach()[None]])
    return row, bias.detach(), _standard_error(inputs, column, precision)


def _prior_precision(inputs: Tensor, pool: Tensor) -> Tensor:
    """Inverse covariance of a column before anything is known of it: how the pool's columns differ, and a little more.

    Only in directions that queries point to; in the others a column may be anything, no score depends on it.
    """
    values, axes = torch.linalg.eigh(inputs.T @ inputs)
    seen = axes[:, values > SEEN * values.sum()]
    apart = (pool - pool.mean(dim=0)) @ seen
    covariance = apart.T @ apart / len(pool)
    variance_of_scores = (inputs @ seen @ apart.T).var(dim=1, correction=0).mean()
    own = OWN_SHARE * variance_of_scores / (inputs @ seen).square().sum(dim=1).mean()
    covariance = covariance + torch.eye(len(covariance), dtype=torch.double) * own.clamp(min=1e-3)
    precision: Tensor = seen @ torch.linalg.inv(covariance) @ seen.T
    return precision


def _standard_error(inputs: Tensor, column: Tensor, precision: Tensor) -> Tensor:
    """Posterior standard deviation of a column's scores, averaged over the queries `inputs` (n, dim + 1)."""
    chance = (inputs @ column).sigmoid()
    information = precision + inputs.T @ (inputs * (chance * (1 - chance))[:, None])
    covariance = torch.linalg.pinv(information, rtol=1e-6, hermitian=True)
    error: Tensor = ((inputs @ covariance) * inputs).sum(dim=1).clamp(min=0).sqrt().mean()
    return error


def _luck(pool_scores: Tensor, pool_quality: Tensor, quality: Tensor) -> Tensor:
    """What of `quality` is the luck of the draw, (n,), judged by how the pool's LLMs did on the same queries."""
    known = ~pool_quality.isnan()
    surprise = torch.where(known, pool_quality - pool_scores.sigmoid(), 0.0).sum(dim=1) / known.sum(dim=1).clamp(min=1)
    if not bool(known.any()) or len(quality) < 3:
        return torch.zeros_like(quality)
    surprise = surprise - surprise.mean()
    share = (surprise @ (quality - quality.mean())) / surprise.square().sum().clamp(min=1e-9)
    return share.clamp(0, 1) * surprise
