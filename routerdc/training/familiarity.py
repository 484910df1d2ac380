"""How far a trained router may be trusted beyond its training queries: the gate between its scores and its prior.

Routers that have never seen a kind of query are asked about that kind. What they earn there, with gates of several
widths, decides how near a query must be to count as familiar; a wider gate must earn more by `MARGIN` standard errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from routerdc.model import HALF, RouterModel
from routerdc.training.judging.judge import Gain, graded_choice
from routerdc.training.preparation.effects import additive_effects
from routerdc.training.preparation.place import Place
from routerdc_contract.bundle import Calibration

SEEN_SHARE = 0.05
"""Share of queries like the training's that may count as less than wholly familiar: sets the upper end of the gate."""
WIDTHS = (0.05, 0.1, 0.2, 0.4, 0.8, None)
"""Cosines between the ends of the gate; None: every query is familiar."""
MARGIN = 2.0
"""With one standard error the mean over unseen kinds is higher, and some kinds lose points to the best single LLM: a
router that is switched on must not do that, so a gate is opened only where the gain is nearly certain."""
LEAST = 0.01  # qualities are kept this far from 0 and 1 before they become logits
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Gate:
    """Familiarity is 0 up to the cosine `low` with the nearest anchor, 1 from `high` on."""

    low: float
    high: float

    def __call__(self, nearness: Floats) -> Floats:
        """Familiarity, (n,), of cosines (n,)."""
        return np.asarray(((nearness - self.low) / (self.high - self.low)).clip(0, 1), dtype=np.float32)


OPEN = Gate(-2.0, -1.5)
"""Every query is familiar: no cosine is below -1."""


@dataclass(frozen=True)
class Unseen:
    """A router's answers to queries of kinds that it has not seen.

    `scores`: (n, n_llms), before any gate; `prior`: (n_llms,); `nearness`: (n,); `quality`: (n, n_llms); `kinds`: (n,).
    """

    scores: Floats
    prior: Floats
    nearness: Floats
    quality: Floats
    kinds: Ints

    def behind(self, gate: Gate, line: Calibration | None = None) -> Floats:
        """Scores behind `gate`, (n, n_llms); with `line` the router's own are brought to logits by it first."""
        own = self.scores if line is None else max(line.slope, LEAST) * self.scores + line.intercept
        return np.asarray(self.prior + gate(self.nearness)[:, None] * (own - self.prior), dtype=np.float32)

    def earned(self, gate: Gate) -> Floats:
        """Quality of the choices behind `gate`, (n,); NaN on rows of which nothing is known."""
        return np.asarray(graded_choice(self.behind(gate), self.quality), dtype=np.float32)


def prior_scores(quality: Floats, data_set: Ints) -> Floats:
    """Scores, (n_llms,), of a query of which nothing is known: logits of each LLM's quality on the average row.

    Every data set weighs the same. `quality`: (n, n_llms); `data_set`: (n,).
    """
    expected = np.nan_to_num(additive_effects(quality, 1 / np.bincount(data_set)[data_set]).llm, nan=0.0).clip(
        LEAST, 1 - LEAST
    )
    return np.asarray(np.log(expected / (1 - expected)), dtype=np.float32)


def gates(nearness: Floats) -> tuple[Gate, ...]:
    """Candidates, the most cautious first. `nearness`: of queries like the training's that were held out, (n,)."""
    high = float(np.quantile(nearness, SEEN_SHARE))
    return tuple(OPEN if width is None else Gate(high - width, high) for width in WIDTHS)


def best_gate(candidates: Sequence[Gate], unseen: Sequence[Unseen]) -> Gate:
    """The gate whose gain over the most cautious one, less `MARGIN` standard errors, is largest on unseen kinds."""
    first, *others = candidates
    if not unseen:
        return first
    base = np.concatenate([part.earned(first) for part in unseen])
    kinds = np.concatenate([part.kinds for part in unseen])
    best, bound = first, 0.0
    for gate in others:
        gain = np.concatenate([part.earned(gate) for part in unseen]) - base
        found = over_kinds(gain, kinds)
        if (lower := found.mean - MARGIN * found.error) > bound:
            best, bound = gate, lower
    return best


def over_kinds(gain: Floats, kinds: Ints) -> Gain:
    """The mean of the known gains, all rows weighing the same; its error is infinite for fewer than two kinds.

    The error is that of a mean over kinds, for the next query is of a kind that nobody has seen: rows of one kind gain
    or lose together, and a thousand of them are no more than one example.
    """
    known = ~np.isnan(gain)
    gain, kinds = gain[known].astype(np.float64), kinds[known]
    if (count := len(np.unique(kinds))) < 2:
        return Gain(float(gain.mean()) if len(gain) else np.nan, np.inf, len(gain))
    by_kind = np.bincount(kinds, weights=gain - gain.mean())
    error = np.sqrt((by_kind**2).sum() * count / (count - 1)) / len(gain)
    return Gain(float(gain.mean()), float(error), len(gain))


def rescaled(model: RouterModel, line: Calibration) -> RouterModel:
    """A copy of `model` with scores slope * score + intercept; no choice changes. The least slope is `LEAST`."""
    slope = max(line.slope, LEAST)
    changed = RouterModel(model.encoder, replace(model.config, scale=model.config.scale * slope))
    changed.projection, changed.llm_embeddings = model.projection, model.llm_embeddings
    changed.llm_bias = torch.nn.Parameter(model.llm_bias.detach() * slope + line.intercept)
    return changed.eval()


def with_familiarity(model: RouterModel, place: Place, gate: Gate, prior: Floats) -> RouterModel:
    """A copy of `model` that leaves `prior` (n_llms,) only as far as a query is familiar."""
    config, dim = model.config, place.axes.shape[1]
    wider = replace(config, dim=config.dim + dim, scale=config.scale / HALF, place=dim, anchors=len(place.anchors))
    changed = RouterModel(model.encoder, wider)
    changed.projection = model.projection
    empty = torch.zeros(config.n_llms, dim)
    anchors = torch.cat([torch.zeros(len(place.anchors), config.dim), torch.from_numpy(place.anchors)], dim=1)
    changed.llm_embeddings = torch.nn.Parameter(torch.cat([model.llm_embeddings.detach(), empty], dim=1))
    changed.llm_bias = model.llm_bias
    assert changed.familiarity is not None  # noqa: S101 - `wider` asks for it
    changed.familiarity.load_state_dict(
        {
            "place.weight": torch.from_numpy(place.axes.T.copy()),
            "place.bias": torch.from_numpy(-place.center @ place.axes),
            "anchors": anchors / HALF,  # so that the product with an embedding is the cosine
            "gate": torch.tensor([gate.low, gate.high]),
            "prior": torch.from_numpy(prior),
        }
    )
    return changed.eval()
