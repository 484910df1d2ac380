"""Cost against quality: what a router earns when every dollar has a price (RouterBench, Hu et al. 2024, section 3).

Scores minus weight times expected cost, for weights from "money is no object" to "always the cheapest", trace a curve
without retraining. Expected costs are what is known at routing time; what is paid are the real costs of each query.

The curve of a contender is the non-decreasing convex hull of its points and of the origin (nothing asked costs
nothing): any point on it is reached by mixing two settings at random. AIQ is the hull's mean height between the costs
of the cheapest and the dearest single LLM.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routerdc.evaluation.measures.selection import Floats, earned, selection

WEIGHTS = 200
Points = npt.NDArray[np.float64]
"""(points, 2): mean cost in dollars a query, mean quality"""


@dataclass(frozen=True)
class Workload:
    """Rows to be paid for: `quality`, `costs` (n, n_llms), NaN where unknown; `expected` (n_llms,) dollars a query."""

    quality: Floats
    costs: Floats
    expected: Floats

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(n, n_llms): where both the quality and the cost are known."""
        return np.asarray(~(np.isnan(self.quality) | np.isnan(self.costs)))


@dataclass(frozen=True)
class Spent:
    """What each row costs and earns at each setting: both (n, settings), NaN where nothing can be chosen.

    A setting under which no row can be chosen has NaN as its means.
    """

    costs: Points
    quality: Points

    def points(self) -> Points:
        """(settings, 2) means over the rows."""
        return np.asarray(self.resampled_points(np.ones((1, len(self.costs))))[0])

    def resampled_points(self, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(resamples, settings, 2) means over the rows, each taken `counts` (resamples, n) times."""
        known = ~np.isnan(self.quality)
        total = counts @ known.astype(np.float64)
        sums = [counts @ np.where(known, table, 0.0) for table in (self.costs, self.quality)]
        return np.stack([np.where(total > 0, one / np.maximum(total, 1), np.nan) for one in sums], axis=-1)


def trade(scores: Floats, workload: Workload, expected: Floats | None = None, settings: int = WEIGHTS) -> Spent:
    """A scorer at every weight. `expected`: (n_llms,) or (n, n_llms); the workload's own unless given."""
    expected = workload.expected if expected is None else expected
    columns = []
    for weight in cost_weights(scores, expected, settings):
        chosen = selection(np.nan_to_num(scores - weight * expected, nan=-np.inf), workload.known)
        columns.append((earned(chosen, workload.costs), earned(chosen, workload.quality)))
    return Spent(*(np.column_stack(column) for column in zip(*columns, strict=True)))


def cost_weights(scores: Floats, expected: Floats, settings: int = WEIGHTS) -> npt.NDArray[np.float64]:
    """0, then weights (score per dollar) up to where the cheapest LLM always wins, evenly spaced in the logarithm."""
    usable = scores[np.isfinite(scores)]
    spread = float(np.ptp(usable)) or 1.0
    prices = np.unique(expected[~np.isnan(expected)])
    gaps = np.diff(prices)
    if not len(gaps):
        return np.zeros(1)
    top, bottom = 1.01 * spread / max(gaps.min(), 1e-9), 1e-3 * spread / (prices[-1] - prices[0])
    return np.concatenate([[0.0], np.geomspace(bottom, max(top, bottom), settings - 1)])


def single_llms(workload: Workload) -> Spent:
    """Every LLM alone, one setting each; rows where it is unknown do not count for it."""
    unknown = ~workload.known
    alone = [np.where(unknown, np.nan, table.astype(np.float64)) for table in (workload.costs, workload.quality)]
    return Spent(*alone)


def hull(points: Points) -> Points:
    """The non-decreasing upper convex hull of points and origin, (vertices, 2), by rising cost."""
    vertices = [(0.0, 0.0)]
    for cost, quality in points[np.lexsort((-points[:, 1], points[:, 0]))].tolist():
        if quality <= vertices[-1][1]:
            continue  # dearer and no better
        while len(vertices) > 1 and _turns_up(vertices[-2], vertices[-1], (cost, quality)):
            vertices.pop()
        vertices.append((cost, quality))
    return np.array(vertices)


def _turns_up(first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]) -> bool:
    run, rise = middle[0] - first[0], middle[1] - first[1]
    run_on, rise_on = last[0] - middle[0], last[1] - middle[1]
    return rise_on * run >= rise * run_on


def quality_at(vertices: Points, cost: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Height of a hull at these costs; beyond its last vertex it stays level."""
    return np.asarray(np.interp(np.asarray(cost), vertices[:, 0], vertices[:, 1]))


def aiq(vertices: Points, low: float, high: float) -> float:
    """Mean height of a hull between two costs (RouterBench, "average improvement in quality")."""
    inside = vertices[(vertices[:, 0] > low) & (vertices[:, 0] < high), 0]
    costs = np.concatenate([[low], inside, [high]])
    heights = quality_at(vertices, costs)
    return float(np.sum(np.diff(costs) * (heights[1:] + heights[:-1]) / 2) / (high - low))


def pareto_distance(vertices: Points, frontier: Points, low: float, high: float) -> float:
    """Mean distance of a hull's vertices to a frontier, cost from `low` to `high` and quality 0 to 1 scaled alike.

    As LLMRouterBench's ParetoDist: 0 on the frontier, the lower the better. The origin, where nothing is asked, does
    not count.
    """
    scale = np.array([max(high - low, 1e-12), 1.0])
    steps = np.linspace(0.0, high, 512)
    line = np.column_stack([steps, quality_at(frontier, steps)]) / scale
    apart = vertices[1:, None, :] / scale - line[None, :, :]
    return float(np.sqrt((apart**2).sum(axis=2)).min(axis=1).mean()) if len(vertices) > 1 else math.nan


def cost_to_reach(vertices: Points, quality: float) -> float | None:
    """The least cost at which a hull has this quality; None where it never has."""
    if quality > vertices[-1, 1]:
        return None
    return float(np.interp(quality, vertices[:, 1], vertices[:, 0]))
