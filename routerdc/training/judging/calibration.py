"""Platt scaling (1999): P(correct) = sigmoid(slope * score + intercept), one line per LLM, fitted on held-out rows."""

import torch
import torch.nn.functional as F
from torch import Tensor

from routerdc_contract.bundle import Calibration

PRIOR_ROWS = 1.0
"""How many rows' worth of belief that the slope is near `1`; keeps a column with few or one-sided outcomes finite."""


def platt(scores: Tensor, quality: Tensor) -> list[Calibration | None]:
    """A fit per column, None where no outcome is known. `scores`, `quality` (in [0, 1] or NaN): (n, n_llms)."""
    return [_fit(scores[:, column].double(), quality[:, column].double()) for column in range(scores.shape[1])]


def pooled_platt(scores: Tensor, quality: Tensor) -> Calibration:
    """One line for all LLMs together; the identity where no outcome is known. Both are (n, n_llms)."""
    return _fit(scores.flatten().double(), quality.flatten().double()) or Calibration(slope=1.0, intercept=0.0)


def _fit(scores: Tensor, quality: Tensor) -> Calibration | None:
    known = ~quality.isnan()
    if not bool(known.any()):
        return None
    scores, quality = scores[known], quality[known]
    center, spread = scores.mean(), scores.std(correction=0).clamp(min=1e-6)
    standard = (scores - center) / spread
    line = torch.zeros(2, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        fit = F.binary_cross_entropy_with_logits(line[0] * standard + line[1], quality, reduction="sum")
        loss = (fit + 0.5 * PRIOR_ROWS * (line[0] - spread) ** 2 + 0.5 * 1e-3 * line[1] ** 2) / len(quality)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    slope = (line[0] / spread).item()
    return Calibration(slope=slope, intercept=(line[1] - line[0] * center / spread).item())
