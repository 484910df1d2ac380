"""The tier that LiteLLM's own heuristics give each prompt: `python heuristic_tiers.py ROWS.jsonl TIERS.json`.

Runs in an environment with litellm (make check-integrations makes one: .cache/integrations/bin/python). Each row has a
`question`; TIERS.json gets a list of names, in the rows' order. No model is called.
"""

import json
import sys
from pathlib import Path
from typing import Any

import litellm

_TIERS = ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")


def router() -> Any:
    """LiteLLM's complexity router with its default settings."""
    auto = {
        "model": "auto_router/complexity_router",
        "complexity_router_default_model": "any",
        "complexity_router_config": {"tiers": dict.fromkeys(_TIERS, "any")},
    }
    models = [
        {"model_name": "any", "litellm_params": {"model": "openai/any", "api_key": "none"}},
        {"model_name": "auto", "litellm_params": auto},
    ]
    return litellm.Router(model_list=models).complexity_routers["auto"][0].strategy


def main(rows: str, tiers: str) -> None:
    """Classifies every row."""
    heuristics = router()
    lines = Path(rows).read_text(encoding="utf-8").splitlines()
    found = [heuristics.classify(json.loads(line)["question"])[0].value for line in lines]
    Path(tiers).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
