"""The cost section of a report: every contender's curve, its AIQ and when it reaches the best single LLM's quality."""

import math
from collections.abc import Sequence

import numpy as np

from routerdc.data.dataset import Dataset
from routerdc.data.formats.rows import DataError
from routerdc.evaluation.measures.calibration import probabilities
from routerdc.evaluation.measures.cost import (
    Points,
    Spent,
    Workload,
    aiq,
    cost_to_reach,
    hull,
    pareto_distance,
    single_llms,
    trade,
)
from routerdc.evaluation.measures.estimates import estimate
from routerdc.evaluation.measures.judging import EvalSet
from routerdc.evaluation.measures.report import CostCurve, CostReport, SingleLlm
from routerdc.evaluation.measures.selection import Floats, Scorer, nan_mean
from routerdc_contract.bundle import LlmSpec

ROUTER, CALIBRATED = "router", "router, calibrated"
HULL, ORACLE = "single LLMs (hull)", "oracle"
ALL_SETS = "all data sets"
AIQ_RESAMPLES = 300
GIVE_COSTS = "give `costs` per row, or `prices` in a .yaml beside the file"


def cost_reports(
    score: Scorer,
    llms: Sequence[LlmSpec],
    baselines: dict[str, Scorer],
    train: Sequence[Dataset],
    sets: Sequence[EvalSet],
    seed: int,
) -> list[CostReport]:
    """One report for all rows together (every query counts the same), then one per data set.

    Raises:
        DataError: the training or test data lack costs.
    """
    expected = expected_costs(train)
    if sets_without := [test.name for test in sets if test.dataset.costs is None]:
        raise DataError(
            f"no costs in {', '.join(sets_without)}: give `costs` per row, or `prices` in a .yaml beside it"
        )
    workloads = {test.name: Workload(test.dataset.quality(), _costs(test.dataset), expected) for test in sets}
    scores = {test.name: _scores(score, llms, baselines, test.dataset) for test in sets}
    names = [llm.name for llm in llms]
    whole = _report(ALL_SETS, _joined(list(workloads.values())), _stacked(list(scores.values())), names, seed)
    if len(sets) == 1:
        return [whole]
    return [whole, *(_report(name, workloads[name], scores[name], names, seed) for name in workloads)]


def expected_costs(train: Sequence[Dataset]) -> Floats:
    """(n_llms,) mean dollars a query of each LLM on the training rows: what is known when a query is routed.

    NaN for an LLM without costs: the curves are about the others.

    Raises:
        DataError: no training set has costs, or only one LLM has any.
    """
    tables = [dataset.costs for dataset in train if dataset.costs is not None]
    if not tables:
        raise DataError(f"no costs in the training data: {GIVE_COSTS}")
    means = nan_mean(np.concatenate(tables)).astype(np.float32)
    if (~np.isnan(means)).sum() < 2:
        raise DataError(f"costs of fewer than two LLMs in the training data: {GIVE_COSTS}")
    return means


def _scores(
    score: Scorer, llms: Sequence[LlmSpec], baselines: dict[str, Scorer], dataset: Dataset
) -> dict[str, Floats]:
    raw = score(dataset.queries)
    found = {ROUTER: raw}
    if (calibrated := probabilities(raw, llms)) is not None:
        found[CALIBRATED] = calibrated.astype(np.float32)
    return found | {name: scorer(dataset.queries) for name, scorer in baselines.items()}


def _costs(dataset: Dataset) -> Floats:
    assert dataset.costs is not None  # noqa: S101 - checked by the caller
    return dataset.costs


def _joined(parts: Sequence[Workload]) -> Workload:
    return Workload(
        np.concatenate([part.quality for part in parts]),
        np.concatenate([part.costs for part in parts]),
        parts[0].expected,
    )


def _stacked(parts: Sequence[dict[str, Floats]]) -> dict[str, Floats]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _report(name: str, workload: Workload, scores: dict[str, Floats], llms: Sequence[str], seed: int) -> CostReport:
    alone = single_llms(workload)
    spent = {contender: trade(table, workload) for contender, table in scores.items()}
    spent[HULL] = alone
    spent[ORACLE] = trade(np.nan_to_num(workload.quality, nan=-np.inf), workload, expected=workload.costs)
    points = alone.points()
    priced = np.flatnonzero(~np.isnan(points[:, 0]))
    low, high = float(np.nanmin(points[:, 0])), float(np.nanmax(points[:, 0]))
    best = int(np.lexsort((points[:, 0], -points[:, 1]))[0])  # of equals the cheapest; NaN comes last
    samples = _aiq_samples(spent, low, high, seed)
    return CostReport(
        name=name,
        rows=len(workload.quality),
        best_single=_single(llms[best], points[best]),
        singles=[_single(llms[column], points[column]) for column in priced],
        low=low,
        high=high,
        curves=[_curve(one, spent, samples, low, high, points[best]) for one in spent],
    )


def _known(points: Points) -> Points:
    return np.asarray(points[~np.isnan(points).any(axis=1)])


def _single(name: str, point: Points) -> SingleLlm:
    return SingleLlm(name=name, cost=float(point[0]), quality=100 * float(point[1]))


def _aiq_samples(spent: dict[str, Spent], low: float, high: float, seed: int) -> dict[str, Points]:
    """(resamples,) AIQ of every contender on the same resampled rows."""
    generator = np.random.default_rng(seed)
    rows = len(next(iter(spent.values())).costs)
    counts = generator.multinomial(rows, np.full(rows, 1 / rows), size=AIQ_RESAMPLES).astype(np.float64)
    return {
        name: np.array([aiq(hull(_known(points)), low, high) for points in one.resampled_points(counts)])
        for name, one in spent.items()
    }


def _curve(
    name: str, spent: dict[str, Spent], samples: dict[str, Points], low: float, high: float, best: Points
) -> CostCurve:
    hulls = {other: hull(_known(one.points())) for other, one in spent.items()}
    frontier = hull(np.concatenate([vertices for other, vertices in hulls.items() if other != ORACLE]))
    reached = cost_to_reach(hulls[name], float(best[1]))
    means = {other: aiq(vertices, low, high) for other, vertices in hulls.items()}
    references = [other for other in spent if other == HULL or other.startswith(("kNN", "domain expert"))]
    return CostCurve(
        name=name,
        costs=hulls[name][:, 0].tolist(),
        quality=(100 * hulls[name][:, 1]).tolist(),
        aiq=estimate(means[name], samples[name]),
        versus={
            other: estimate(means[name] - means[other], samples[name] - samples[other])
            for other in references
            if other != name
        },
        cost_of_best_single=reached,
        perf_gain=100 * float(hulls[name][-1, 1] / best[1] - 1) if best[1] else math.nan,
        cost_save=None if reached is None or not best[0] else 1 - reached / float(best[0]),
        pareto_dist=pareto_distance(hulls[name], frontier, low, high),
    )
