"""The sample–sample contrastive loss: queries of one cluster move together, those of others apart.

Idea (RouterDC, section 3.3, equation 5): an InfoNCE term per query; its positive is another query of the same cluster,
its negatives are H queries of other clusters (the published form), or every query of other clusters in the batch,
averaged over all positives (supervised contrastive learning, Khosla et al. 2020), which uses the whole batch and needs
no draw.

    L = mean_i -log( exp(cos(e_i, e_i+) / τ) / (exp(cos(e_i, e_i+) / τ) + Σ_n exp(cos(e_i, e_n) / τ)) )

Edge rules: a query alone in its cluster, or without a query of another cluster, adds nothing.
"""

import torch
from torch import Tensor


def sample_sample_loss(embedding: Tensor, clusters: Tensor, temperature: float = 0.2) -> Tensor:
    """A scalar: every positive against every negative. `embedding`: (batch, dim), unit length; `clusters`: (batch,)."""
    similarity = embedding @ embedding.T / temperature
    same = clusters[:, None] == clusters[None, :]
    positive = same & ~torch.eye(len(clusters), dtype=torch.bool, device=same.device)
    terms = _terms(similarity, similarity, positive, ~same)
    return (terms.sum(dim=1) / positive.sum(dim=1).clamp(min=1)).mean()


def drawn_sample_sample_loss(
    embedding: Tensor, clusters: Tensor, negatives: int, generator: torch.Generator, temperature: float = 1.0
) -> Tensor:
    """A scalar, as published: one positive and `negatives` negatives drawn per query (a query may draw itself)."""
    similarity = embedding @ embedding.T / temperature
    same = clusters[:, None] == clusters[None, :]
    enough = (~same).sum(dim=1) >= negatives
    if not bool(enough.any()):
        return similarity.sum() * 0.0  # nothing to learn from, and still part of the graph
    order = torch.rand(similarity.shape, generator=generator).to(similarity.device)
    drawn_positive = order.masked_fill(~same, -1).argmax(dim=1, keepdim=True)
    drawn_negative = order.masked_fill(same, -1).topk(negatives, dim=1).indices
    chosen = torch.cat([similarity.gather(1, drawn_positive), similarity.gather(1, drawn_negative)], dim=1)
    return -chosen.log_softmax(dim=1)[enough, 0].mean()


def _terms(positives: Tensor, negatives: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """InfoNCE of every pair (i, j) where `positive`, 0 elsewhere; `negative` masks the negatives of row i."""
    lowest = torch.finfo(negatives.dtype).min
    against = torch.logsumexp(negatives.masked_fill(~negative, lowest), dim=1, keepdim=True)
    term = torch.logaddexp(positives, against) - positives
    usable = positive & negative.any(dim=1, keepdim=True)
    return torch.where(usable, term, torch.zeros_like(term))
