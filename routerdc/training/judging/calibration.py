"""Platt scaling (1999): P(correct) = sigmoid(slope * score + intercept), one line per LLM, fitted on held-out rows.

A line of its own for every LLM, from a few hundred outcomes, is mostly luck, and luck of two LLMs apart is what decides
between them at a price. So each line is drawn to the one that all LLMs have in common (docs/log/training.md).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from routerdc_contract.bundle import Calibration

COMMON_ROWS = 30.0
"""How many rows' worth of belief that an LLM's line is the common one."""
INFORMATION = 0.2
"""What one row says of a line: P(correct) * (1 - P(correct)), as it is for most rows."""


@dataclass(frozen=True)
class _Belief:
    """What a line is before any outcome, and how firmly; the intercept's firmness holds at the mean score."""

    line: Calibration
    slope: float
    intercept: float


_UNIT = _Belief(Calibration(slope=1.0, intercept=0.0), slope=1.0, intercept=1e-3)
"""Scores are logits already, which one-sided outcomes must not change without limit."""


def platt(scores: Tensor, quality: Tensor) -> list[Calibration | None]:
    """A fit per column, None where no outcome is known. `scores`, `quality` (in [0, 1] or NaN): (n, n_llms)."""
    firmness = COMMON_ROWS * INFORMATION
    common = _Belief(pooled_platt(scores, quality), firmness, firmness)
    return [_fit(scores[:, column], quality[:, column], common) for column in range(scores.shape[1])]


def pooled_platt(scores: Tensor, quality: Tensor) -> Calibration:
    """One line for all LLMs together; the identity where no outcome is known. Both are (n, n_llms)."""
    return _fit(scores.flatten(), quality.flatten(), _UNIT) or _UNIT.line


def _fit(scores: Tensor, quality: Tensor, before: _Belief) -> Calibration | None:
    known = ~quality.isnan()
    if not bool(known.any()):
        return None
    scores, quality = scores[known].double(), quality[known].double()
    center, spread = scores.mean(), scores.std(correction=0).clamp(min=1e-6)
    standard = (scores - center) / spread
    slope, level = before.line.slope * spread, before.line.slope * center + before.line.intercept
    line = torch.zeros(2, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        fit = F.binary_cross_entropy_with_logits(line[0] * standard + line[1], quality, reduction="sum")
        apart = before.slope * (line[0] - slope) ** 2 + before.intercept * (line[1] - level) ** 2
        loss = (fit + 0.5 * apart) / len(quality)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    fitted = (line[0] / spread).item()
    return Calibration(slope=fitted, intercept=(line[1] - line[0] * center / spread).item())
