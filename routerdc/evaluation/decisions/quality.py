"""What live decisions were worth: joined with scored queries by hash, next to every single LLM and the oracle.

Decisions weigh the same, so a query that was asked often counts often. But answers to one query are no independent
evidence: the bootstrap draws distinct queries, each with all its decisions, and means are ratios of drawn sums.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from routerdc.data.dataset import Dataset, pool
from routerdc.evaluation.decisions.log import LoggedDecision, query_hash
from routerdc.evaluation.decisions.report import Judgement, Worth
from routerdc.evaluation.measures.bootstrap import Table, resampled_means
from routerdc.evaluation.measures.estimates import estimate
from routerdc.evaluation.measures.report import Estimate
from routerdc.evaluation.measures.selection import nan_mean

LIVE, ORACLE = "live decisions", "oracle"
LEAST_KNOWN = 0.5  # of the judged decisions: an LLM known for fewer is no candidate for the best single one


def judgement(decisions: Sequence[LoggedDecision], datasets: Sequence[Dataset], seed: int = 0) -> Judgement:
    """Judges the decisions whose query the data hold and whose LLM they know there."""
    llms = pool(datasets)
    known = quality_by_hash(datasets, llms)
    column = {llm: index for index, llm in enumerate(llms)}
    matched = [one for one in decisions if one.key in known]
    judged = [one for one in matched if one.llm in column and not np.isnan(known[one.key][column[one.llm]])]
    counts = {"matched": len(matched), "matched_share": 100 * len(matched) / len(decisions), "judged": len(judged)}
    if not judged:
        return Judgement.model_validate(counts)
    truth = np.stack([known[one.key] for one in judged])
    live = truth[np.arange(len(judged)), [column[one.llm] for one in judged]]
    found = _worths([ORACLE, *llms], np.column_stack([np.nanmax(truth, axis=1), truth]), live, judged, seed)
    singles = [worth for worth in found[2:] if worth.known]
    best = max((one for one in singles if one.known >= LEAST_KNOWN * len(judged)), key=_rank, default=None)
    return Judgement.model_validate(
        counts
        | {"live": found[0], "oracle": found[1], "llms": tuple(singles), "best_single": best.name if best else None}
    )


def quality_by_hash(datasets: Sequence[Dataset], llms: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
    """(n_llms,) quality by the query's hash, NaN where missing; the mean of rows with the same text."""
    rows: dict[str, list[npt.NDArray[np.float32]]] = {}
    for dataset in datasets:
        for query, quality in zip(dataset.queries, dataset.aligned(llms).quality(), strict=True):
            rows.setdefault(query_hash(query), []).append(quality)
    return {key: nan_mean(np.stack(same).astype(np.float64)) for key, same in rows.items()}


def _rank(worth: Worth) -> float:
    """Of an LLM against live decisions on the same queries: means over different queries cannot be compared."""
    return worth.quality.mean if worth.versus is None else -worth.versus.mean


def _worths(
    names: Sequence[str],
    quality: npt.NDArray[np.float64],
    live: npt.NDArray[np.float64],
    judged: Sequence[LoggedDecision],
    seed: int,
) -> list[Worth]:
    """Live decisions, then the alternatives `names`, whose `quality` is (n_judged, n_alternatives)."""
    values = np.column_stack([live, quality, live[:, None] - quality])
    known = (~np.isnan(values)).sum(axis=0).tolist()
    estimates = _estimates(values, [one.key for one in judged], seed)
    alternatives = [
        Worth(name=name, known=known[i], quality=estimates[i], versus=estimates[i + len(names)])
        for i, name in enumerate(names, start=1)
    ]
    return [Worth(name=LIVE, known=len(judged), quality=estimates[0]), *alternatives]


def _estimates(values: Table, keys: Sequence[str], seed: int) -> list[Estimate]:
    """The mean of every column of `values` (n, columns; NaN where unknown), resampled by distinct key."""
    _, query = np.unique(np.array(keys), return_inverse=True)
    known = ~np.isnan(values)
    parts = np.concatenate([np.where(known, values, 0.0), known.astype(np.float64)], axis=1)
    sums = np.zeros((query.max() + 1, parts.shape[1]))
    np.add.at(sums, query, parts)
    total, count = np.hsplit(resampled_means(sums, seed=seed), 2)
    samples = np.where(count > 0, total / np.where(count > 0, count, 1), np.nan)
    return [estimate(float(mean), samples[:, column]) for column, mean in enumerate(nan_mean(values))]
