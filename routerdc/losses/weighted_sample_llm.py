"""The sample–LLM contrastive loss with every LLM a positive as far as it is good, every other LLM its negative.

Idea: K+ and K- throw away who is better by how much, and ties are broken by the order of the columns. Here the target
is a distribution over the pool, softmax(quality / sharpness): LLMs nearly as good as the best share its weight (so ties
cost nothing and need no breaking), a wide gap makes a hard positive, and a query that all LLMs answer alike asks for
nothing but indifference.

    L = mean_i -Σ_j t_ij log softmax_j(s_i / (4 · sharpness)),     t_i = softmax(q_i / sharpness)

The 4: scores are logits of P(correct) (`correctness_loss`), where a step of 1 is about 1/4 in probability. Both losses
thus ask for nearly the same scores while all qualities are near a half. Far from it they do not: between 0.85 and 0.95
lie 1.2 in logits and 0.4 by the rule of 4, and what is learned is something between. With `of="logit"` they agree
everywhere:

    t_i = softmax(logit(q_i) / (4 · sharpness))

Edge rules: an LLM with unknown quality (NaN) is neither positive nor negative; a query with fewer than two known adds
nothing; logits are those of qualities kept `LEAST` away from 0 and 1.
"""

import torch
from torch import Tensor

from routerdc.losses.logits import LOGIT_PER_PROBABILITY, Of

LEAST = 0.01


def weighted_sample_llm_loss(scores: Tensor, quality: Tensor, sharpness: float, of: Of = "quality") -> Tensor:
    """A scalar. `scores`, `quality`: (batch, n_llms), quality in [0, 1] or NaN; `of`: what the target is made from."""
    known = ~quality.isnan()
    useful = known.sum(dim=1) >= 2
    lowest = torch.finfo(scores.dtype).min
    wanted = quality.nan_to_num(0.0)
    if of == "logit":
        wanted = wanted.logit(eps=LEAST) / LOGIT_PER_PROBABILITY
    target = (wanted / sharpness).masked_fill(~known, lowest).softmax(dim=1)
    log_choice = (scores / (LOGIT_PER_PROBABILITY * sharpness)).masked_fill(~known, lowest).log_softmax(dim=1)
    terms = -torch.where(known, target * log_choice, torch.zeros_like(scores)).sum(dim=1)
    return torch.where(useful, terms, torch.zeros_like(terms)).sum() / len(scores)
