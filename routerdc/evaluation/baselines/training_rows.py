"""Training sets put into one table for the baselines."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routerdc.data.dataset import Dataset
from routerdc.evaluation.measures.references import Embed
from routerdc.evaluation.measures.selection import Floats


@dataclass(frozen=True)
class TrainingRows:
    """`features`: (n, dim) unit embeddings; `quality`: (n, n_llms) in [0, 1], NaN where missing; `domains`: (n,)."""

    features: Floats
    quality: Floats
    domains: tuple[str, ...]

    @classmethod
    def of(cls, train: Sequence[Dataset], embed: Embed) -> "TrainingRows":
        """All rows of data sets that have the same columns."""
        return cls(
            np.concatenate([embed(dataset.queries) for dataset in train]),
            np.concatenate([dataset.quality() for dataset in train]),
            tuple(domain for dataset in train for domain in _domains(dataset)),
        )

    def select(self, rows: npt.NDArray[np.int64]) -> "TrainingRows":
        """The rows at these indices."""
        return TrainingRows(self.features[rows], self.quality[rows], tuple(self.domains[row] for row in rows))

    def mean(self) -> Floats:
        """(n_llms,) mean quality of each LLM; 0 for one that no row knows."""
        return masked_mean(self.quality, np.zeros(self.quality.shape[1], dtype=np.float32))


def _domains(dataset: Dataset) -> tuple[str, ...]:
    """The task of each row where the data say it, else the name of the data set."""
    return dataset.tasks or (dataset.name,) * len(dataset)


def masked_mean(quality: Floats, default: Floats) -> Floats:
    """Mean over the axis before last, ignoring NaN; `default` (n_llms,) where everything is NaN."""
    known = ~np.isnan(quality)
    count = known.sum(axis=-2)
    total = np.where(known, quality, 0).sum(axis=-2)
    return np.where(count > 0, total / np.maximum(count, 1), default).astype(np.float32)
