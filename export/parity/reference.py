"""The answers on which a served version proves itself before it takes over.

Some of those that the export compared with torch's, so that the machine that serves computes what was judged.

The model's own module of the same name reads them.
"""

import json
from pathlib import Path

from export.parity.compare import Answers, Limits
from export.parity.samples import sample_queries

REFERENCE_FILE = "reference.json"
MOST_ERROR = 1e-2  # of a cosine: a larger difference is not from rounding on another machine, whatever the precision
EVERY = 8  # of the sample queries, which come kind by kind: about thirty of all kinds and lengths


def write_reference(folder: Path, answers: Answers, limits: Limits, scale: float) -> None:
    """Writes queries, their scores (n, n_llms) out of `answers` to all sample queries, and the error allowed."""
    content = {
        "queries": sample_queries()[::EVERY],
        "scores": answers.scores[::EVERY].tolist(),
        "max_score_error": min(limits.score_error, MOST_ERROR) * scale,
    }
    (folder / REFERENCE_FILE).write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
