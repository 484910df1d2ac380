"""Linear probe: one logistic regression per LLM, from the embedding to the probability of a right answer."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from routerdc.evaluation.baselines.training_rows import TrainingRows
from routerdc.evaluation.measures.references import Embed
from routerdc.evaluation.measures.selection import Floats, Scorer


def linear_probe(rows: TrainingRows, embed: Embed) -> Scorer:
    """A quality between 0 and 1 counts as that much of a right and the rest of a wrong answer."""
    probes = [_probe(rows.features, rows.quality[:, llm]) for llm in range(rows.quality.shape[1])]
    overall = rows.mean()

    def score(queries: Sequence[str]) -> Floats:
        features = embed(queries)
        columns = [
            np.full(len(features), mean) if probe is None else probe.predict_proba(features)[:, 1]
            for probe, mean in zip(probes, overall, strict=True)
        ]
        return np.column_stack(columns).astype(np.float32)

    return score


def _probe(features: Floats, quality: Floats) -> LogisticRegression | None:
    """None where there is nothing to tell apart: an LLM always right, always wrong or unknown."""
    known = ~np.isnan(quality)
    weight = np.concatenate([quality[known], 1 - quality[known]])
    label = np.repeat([1, 0], known.sum())
    used = weight > 0
    if len(np.unique(label[used])) < 2:
        return None
    both = np.concatenate([features[known], features[known]])[used]
    return LogisticRegression(max_iter=1000).fit(both, label[used], sample_weight=weight[used])
