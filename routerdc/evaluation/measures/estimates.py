"""Contenders' rows turned into means, intervals and differences (`report.Line`)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from routerdc.evaluation.measures.bootstrap import group_means, interval, resampled_means
from routerdc.evaluation.measures.judging import EvalSet, Judged
from routerdc.evaluation.measures.report import Estimate, Line
from routerdc.evaluation.measures.selection import collapsed_to

Samples = dict[str, npt.NDArray[np.float64]]
"""(resamples, contenders) by name of a data set or group"""


def resampled(judged: Sequence[Judged], sets: Sequence[EvalSet], seed: int) -> Samples:
    """Resampled means of all contenders on every set and group; every contender sees the same resamples."""
    samples = {
        test.name: resampled_means(np.column_stack([one.quality[test.name] for one in judged]), seed=seed)
        for test in sets
    }
    groups = {group: group_means([samples[name] for name in names]) for group, names in members(sets).items()}
    return samples | groups


def members(sets: Sequence[EvalSet]) -> dict[str, list[str]]:
    """Names of the data sets in each group."""
    groups: dict[str, list[str]] = {}
    for test in sets:
        groups.setdefault(test.group, []).append(test.name)
    return groups


def lines(
    judged: Sequence[Judged], sets: Sequence[EvalSet], references: Sequence[str], llms: Sequence[str], seed: int
) -> list[Line]:
    """A report line for every contender. `references`: names of contenders to compare the others with."""
    samples = resampled(judged, sets, seed)
    against = [index for index, one in enumerate(judged) if one.name in references]
    return [_line(index, judged, sets, samples, against, llms) for index in range(len(judged))]


def _line(
    index: int,
    judged: Sequence[Judged],
    sets: Sequence[EvalSet],
    samples: Samples,
    against: Sequence[int],
    llms: Sequence[str],
) -> Line:
    one, groups = judged[index], members(sets)
    return Line(
        name=one.name,
        kind=one.kind,
        sets={test.name: estimate(one.mean([test.name]), samples[test.name][:, index]) for test in sets},
        groups={group: estimate(one.mean(names), samples[group][:, index]) for group, names in groups.items()},
        versus={
            judged[other].name: {
                group: estimate(
                    one.mean(names) - judged[other].mean(names), samples[group][:, index] - samples[group][:, other]
                )
                for group, names in groups.items()
            }
            for other in against
            if other != index
        },
        shares={group: _percent(llms, one.share(names)) for group, names in groups.items()},
        collapsed_to=collapsed_to(one.share([test.name for test in sets]).tolist(), llms),
    )


def estimate(mean: float, samples: npt.NDArray[np.float64]) -> Estimate:
    """Fractions to percent."""
    spread = interval(samples)
    return Estimate(mean=100 * mean, low=100 * spread.low, high=100 * spread.high)


def _percent(llms: Sequence[str], shares: npt.NDArray[np.float64]) -> dict[str, float]:
    return {llm: 100 * float(share) for llm, share in zip(llms, shares, strict=True)}
