"""Domain expert: recognises the domain of the query, and asks the LLM that was best in that domain on train.

Most of what routers gain lies in coarse domains, so this is the baseline that a router has to reach. Domains are the
tasks of the rows where the data name them, else the data sets.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from routerdc.evaluation.baselines.training_rows import TrainingRows, masked_mean
from routerdc.evaluation.measures.references import Embed
from routerdc.evaluation.measures.selection import Floats, Scorer

PRIOR_ROWS = 10.0
"""So many rows of the overall mean are mixed into a domain's, so that a domain of few rows does not follow luck."""


def domain_expert(rows: TrainingRows, embed: Embed) -> Scorer:
    """The domain is recognised from the text alone, by a logistic regression on the embedding."""
    names = sorted(set(rows.domains))
    labels = np.array([names.index(domain) for domain in rows.domains])
    table = np.stack([_shrunk(rows.quality[labels == label], rows.mean()) for label in range(len(names))])
    if len(names) == 1:
        return lambda queries: np.repeat(table, len(queries), axis=0)
    recogniser = LogisticRegression(max_iter=300, C=10.0).fit(rows.features, labels)

    def score(queries: Sequence[str]) -> Floats:
        return np.asarray(table[recogniser.predict(embed(queries))], dtype=np.float32)

    return score


def _shrunk(quality: Floats, overall: Floats) -> Floats:
    """(n_llms,) mean quality of a domain, drawn to the overall mean where there are few grades."""
    known = (~np.isnan(quality)).sum(axis=0)
    return np.asarray((known * masked_mean(quality, overall) + PRIOR_ROWS * overall) / (known + PRIOR_ROWS))
