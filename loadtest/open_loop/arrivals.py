"""When requests come: independent callers make a Poisson process, whose gaps are exponentially distributed."""

import random


def poisson(rate_per_second: float, seconds: float, seed: int = 0) -> list[float]:
    """Arrival times in seconds from 0, ascending, all below `seconds`; the same seed gives the same times.

    Raises:
        ValueError: rate or time is not above 0.
    """
    if rate_per_second <= 0 or seconds <= 0:
        raise ValueError(f"rate_per_second ({rate_per_second}) and seconds ({seconds}) must be above 0")
    gaps, now, times = random.Random(seed), 0.0, list[float]()  # noqa: S311 - a load, no secret
    while (now := now + gaps.expovariate(rate_per_second)) < seconds:
        times.append(now)
    return times
