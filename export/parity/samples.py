"""The queries on which every step is compared with torch: of many kinds, lengths and scripts, made for this project."""

import json

from routerdc_contract import SAMPLE_QUERIES_FILE


def sample_queries() -> list[str]:
    """Texts of `sample_queries.jsonl`, in file order."""
    lines = SAMPLE_QUERIES_FILE.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["query"] for line in lines]
