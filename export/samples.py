"""The queries on which every step is compared with torch: of many kinds, lengths and scripts, made for this project."""

import json
from pathlib import Path

SAMPLES_FILE = Path(__file__).parent / "sample_queries.jsonl"


def sample_queries() -> list[str]:
    """Texts of `sample_queries.jsonl`, in file order."""
    lines = SAMPLES_FILE.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["query"] for line in lines]
