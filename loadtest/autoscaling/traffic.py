"""Bursty traffic: queries a second over time, and arrivals drawn from it."""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Phase:
    """From the phase before to `rate` queries a second, in a straight line, over `seconds`."""

    seconds: float
    rate: float


# A quiet start, a step to five times the load, a spike that is over before an autoscaler has done anything, a climb,
# and the way back. These are queries that reach Triton: what the gateway's cache answers is not among them.
BURSTY = (
    Phase(240, 150),
    Phase(1, 750),
    Phase(359, 750),
    Phase(1, 150),
    Phase(299, 150),
    Phase(1, 600),
    Phase(19, 600),
    Phase(1, 150),
    Phase(179, 150),
    Phase(300, 1200),
    Phase(180, 1200),
    Phase(120, 150),
    Phase(500, 150),
)


def duration(phases: tuple[Phase, ...]) -> float:
    """Seconds of all phases."""
    return sum(phase.seconds for phase in phases)


def rate_at(phases: tuple[Phase, ...], seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Queries a second at each point of time."""
    ends = np.array([0.0, *itertools.accumulate(phase.seconds for phase in phases)])
    rates = np.array([phases[0].rate, *(phase.rate for phase in phases)])
    return np.interp(seconds, ends, rates)


def arrivals(phases: tuple[Phase, ...], rng: np.random.Generator) -> list[float]:
    """Seconds at which queries come: a Poisson process whose rate follows the phases (by thinning)."""
    highest, end = max(phase.rate for phase in phases), duration(phases)
    n = rng.poisson(highest * end)
    candidates = np.sort(rng.uniform(0, end, n))
    kept = rng.uniform(0, highest, n) < rate_at(phases, candidates)
    times: list[float] = candidates[kept].tolist()
    return times
