"""The tier that LiteLLM's own heuristics give each prompt: `python heuristic_tiers.py TIERS.json ROWS…`.

Runs in an environment with litellm (make check-integrations makes one: .cache/integrations/bin/python). ROWS are files
of JSON lines, or of one list, whose rows have a `question`; TIERS.json gets {question: tier}. No model is called.
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


def questions(file: Path) -> list[str]:
    """Those of a file's rows."""
    text = file.read_text(encoding="utf-8")
    rows = json.loads(text) if text.startswith("[") else map(json.loads, text.splitlines())
    return [row["question"] for row in rows]


def main(tiers: str, *files: str) -> None:
    """Classifies every row."""
    heuristics = router()
    found = {asked: heuristics.classify(asked)[0].value for file in files for asked in questions(Path(file))}
    Path(tiers).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
