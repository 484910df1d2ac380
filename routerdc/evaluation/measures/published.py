"""Averages that the paper reports (RouterDC, arXiv 2409.19886), shown where its own data are evaluated."""

from collections.abc import Sequence

from routerdc.evaluation.measures.judging import IN_DISTRIBUTION, OUT_OF_DISTRIBUTION, EvalSet
from routerdc.evaluation.measures.report import Estimate, Line

ENCODER = "mDeBERTa-v3-base"
_AVERAGES = {
    IN_DISTRIBUTION: ({"arc_challenge", "cmmlu", "gsm8k", "humaneval", "mmlu"}, 58.54),
    OUT_OF_DISTRIBUTION: ({"MATH_prealgebra", "ceval", "mbpp"}, 45.85),
}
_POOL = {
    "mistralai/Mistral-7B-v0.1",
    "meta-math/MetaMath-Mistral-7B",
    "itpossible/Chinese-Mistral-7B-v0.1",
    "HuggingFaceH4/zephyr-7b-beta",
    "cognitivecomputations/dolphin-2.6-mistral-7b",
    "meta-llama/Meta-Llama-3-8B",
    "cognitivecomputations/dolphin-2.9-llama3-8b",
}


def published_line(sets: Sequence[EvalSet], llms: Sequence[str]) -> Line | None:
    """The paper's averages, for those groups that are exactly its own data sets and pool; else None."""
    averages = {
        group: Estimate(mean=average)
        for group, (names, average) in _AVERAGES.items()
        if names == {test.name for test in sets if test.group == group} and set(llms) == _POOL
    }
    if not averages:
        return None
    name = f"RouterDC as published ({ENCODER})"
    return Line(name=name, kind="published", sets={}, groups=averages, versus={}, shares={})
