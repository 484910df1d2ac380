"""The published sample–LLM contrastive loss: pull a query to the LLMs that answer it best, push it from the worst.

Idea (RouterDC, section 3.2, equation 3): each of the K+ best LLMs of a query is in turn the positive of an InfoNCE term
whose negatives are the K- worst LLMs.

    L = mean_i Σ_{p in best K+ of i}  -log( exp(s_ip) / (exp(s_ip) + Σ_{n in worst K- of i} exp(s_in)) )

Edge rules, as in the authors' code: a positive whose quality is 0 is no positive; a negative whose quality is above 0.5
is no negative; a query without any of either adds nothing. A missing score (NaN) is neither. Ties are broken by the
order of the columns, also as published.
"""

import torch
from torch import Tensor

USELESS, TOO_GOOD = 0.0, 0.5


def sample_llm_loss(scores: Tensor, quality: Tensor, positives: int = 3, negatives: int = 3) -> Tensor:
    """A scalar. `scores` (over τ), `quality` (in [0, 1], NaN where unknown): (batch, n_llms)."""
    known = ~quality.isnan()
    best, best_at = quality.masked_fill(~known, -1).sort(dim=1, descending=True, stable=True)
    worst, worst_at = quality.masked_fill(~known, 2).sort(dim=1, stable=True)
    best, best_at, worst, worst_at = (
        best[:, :positives],
        best_at[:, :positives],
        worst[:, :negatives],
        worst_at[:, :negatives],
    )
    positive = scores.gather(1, best_at)
    negative = scores.gather(1, worst_at).masked_fill(worst > TOO_GOOD, float("-inf"))
    # log(1 + Σ exp(negative - positive)): no softmax to take a logarithm of, so nothing can become log(0)
    gap = negative.unsqueeze(1) - positive.unsqueeze(2)
    zero = torch.zeros_like(positive).unsqueeze(2)
    terms = torch.logsumexp(torch.cat([zero, gap], dim=2), dim=2)
    return (terms * (best > USELESS)).sum() / len(scores)
