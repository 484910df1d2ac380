"""The answers on which a served version proves itself before it takes over: some of torch's, beside the artefacts.

The model's own module of the same name reads them.
"""

import json
from pathlib import Path

from export.parity import Answers, Limits
from export.samples import sample_queries

REFERENCE_FILE = "reference.json"
EVERY = 8  # of the sample queries, which come kind by kind: about thirty of all kinds and lengths


def write_reference(folder: Path, reference: Answers, limits: Limits, scale: float) -> None:
    """Writes queries, torch's scores (n, n_llms) and how far a served score may be from them."""
    content = {
        "queries": sample_queries()[::EVERY],
        "scores": reference.scores[::EVERY].tolist(),
        "max_score_error": limits.score_error * scale,
    }
    (folder / REFERENCE_FILE).write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
