"""A prior's table from graded data: the mean quality of each LLM in each domain that is recognised."""

from collections.abc import Sequence

import numpy as np

from labelling.prior.domains import DOMAINS
from labelling.prior.recogniser import Recogniser
from labelling.prior.table import Belief, PriorTable
from routerdc.data.dataset import Dataset, pool
from routerdc.training.encoder import open_encoder

PRIOR_ROWS = 8.0
"""How many rows' worth of belief an LLM's mean over everything is in each domain."""


def table_of(datasets: Sequence[Dataset], recogniser: Recogniser, about: str) -> PriorTable:
    """Means over rows weighted by P(domain), drawn towards the LLM's mean over all rows where rows are few."""
    llms = pool(datasets)
    quality = np.concatenate([dataset.aligned(llms).quality() for dataset in datasets]).astype(np.float64)
    queries = [query for dataset in datasets for query in dataset.queries]
    weights = recogniser.probabilities(open_encoder(recogniser.encoder).features(queries)).astype(np.float64)
    known = ~np.isnan(quality)
    overall = np.nansum(quality, axis=0) / np.maximum(known.sum(axis=0), 1)
    right = weights.T @ np.where(known, quality, 0.0)
    means = (right + PRIOR_ROWS * overall) / (weights.T @ known + PRIOR_ROWS)
    beliefs = {
        llm: Belief(quality={domain: round(float(means[row, column]), 4) for row, domain in enumerate(DOMAINS)})
        for column, llm in enumerate(llms)
    }
    return PriorTable(about=about, llms=beliefs)
