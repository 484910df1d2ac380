"""What a data set holds, in numbers: what `routerdc data check` prints."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routerdc.data.dataset import Dataset
from routerdc.data.duplicates import repeated


@dataclass(frozen=True)
class LlmSummary:
    """One column: mean quality and mean dollars a query where known, and the share of rows where it is missing."""

    name: str
    quality: float
    cost: float | None
    missing: float


@dataclass(frozen=True)
class DataSummary:
    """One data set; qualities and shares from 0 to 1, lengths in characters."""

    name: str
    metric: str
    rows: int
    skipped: int
    duplicates: int
    clusters: int
    missing: float
    llms: tuple[LlmSummary, ...]
    best_single: str
    best_quality: float
    oracle: float
    """of the best LLM for every query, on the rows where `best_single` has a grade"""
    judged: int
    """how many rows those are"""
    undecidable: float
    """share of the rows on which every known LLM does equally well: they carry no signal"""
    length_mean: float
    length_median: float
    length_p99: float
    length_max: int


def summarise(dataset: Dataset) -> DataSummary:
    """The numbers of one data set."""
    quality = dataset.quality()
    llms = _llms(dataset)
    best = max(llms, key=lambda llm: -1.0 if np.isnan(llm.quality) else llm.quality)
    top, bottom = np.nanmax(quality, axis=1), np.nanmin(quality, axis=1)
    judged = ~np.isnan(quality[:, dataset.llms.index(best.name)])  # so that both stand on the same rows
    lengths = np.array([len(query) for query in dataset.queries])
    return DataSummary(
        name=dataset.name,
        metric=dataset.metric.value,
        rows=len(dataset),
        skipped=len(dataset.skipped),
        duplicates=repeated(dataset.queries),
        clusters=0 if dataset.cluster_ids is None else len(np.unique(dataset.cluster_ids)),
        missing=float(np.isnan(quality).mean()),
        llms=tuple(llms),
        best_single=best.name,
        best_quality=best.quality,
        judged=int(judged.sum()),
        oracle=float(top[judged].mean(dtype=np.float64)),
        undecidable=float((top == bottom).mean()),
        length_mean=float(lengths.mean()),
        length_median=float(np.median(lengths)),
        length_p99=float(np.percentile(lengths, 99)),
        length_max=int(lengths.max()),
    )


def _llms(dataset: Dataset) -> Sequence[LlmSummary]:
    quality = dataset.quality()
    return [
        LlmSummary(
            name=llm,
            quality=_mean(quality[:, column]),
            cost=None if dataset.costs is None else _mean(dataset.costs[:, column]),
            missing=float(np.isnan(quality[:, column]).mean()),
        )
        for column, llm in enumerate(dataset.llms)
    ]


def _mean(values: npt.NDArray[np.float32]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else float("nan")
