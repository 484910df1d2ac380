"""The pairwise sample–LLM loss: every (query, LLM) pair is by itself a positive as far as the LLM answers the query.

Idea: sigmoid contrast as in SigLIP (Zhai et al. 2023) with soft labels. The columns do not compete, so a score is the
logit of P(this LLM answers correctly): comparable across queries, nearly calibrated as it stands, and an LLM can join
or leave the pool without moving any other.

    L = mean over known pairs of BCE(sigmoid(s_ij), q_ij)

Edge rules: unknown quality (NaN) adds nothing; nothing known gives 0.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def correctness_loss(scores: Tensor, quality: Tensor) -> Tensor:
    """A scalar. `scores`, `quality`: (batch, n_llms), quality in [0, 1] or NaN."""
    known = ~quality.isnan()
    terms = F.binary_cross_entropy_with_logits(scores, quality.nan_to_num(0.0), reduction="none")
    return torch.where(known, terms, torch.zeros_like(terms)).sum() / known.sum().clamp(min=1)
