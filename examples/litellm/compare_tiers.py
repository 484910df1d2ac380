"""The same gateway with tiers by LiteLLM's heuristics and with this router: quality at equal cost.

    python compare_tiers.py BUNDLE TRAIN.jsonl TEST.jsonl TRAIN_TIERS.json TEST_TIERS.json [--prices PRICES.json]

Tiers are from heuristic_tiers.py. The heuristics get the best that they can have: for each tier the LLM that was best
on the training rows. At each budget (a share of what the best single LLM costs) both sides take the lowest weight of
cost whose choices on the *training* rows are within it; the test rows are looked at once. Costs are the rows' `costs`,
or PRICES.json ({LLM: price of an answer}); without either there is one budget, any.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from routerdc.loaded_bundle import Router

BUDGETS = (0.25, 0.5, 0.75, 1.0)
WEIGHTS = np.concatenate([[0.0], np.geomspace(1e-4, 1e2, 400)])
SAMPLES = 2000

Matrix = npt.NDArray[np.float64]
Choices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Graded queries: grades and costs (n, LLMs), NaN where a grade is missing, and the heuristics' tier of each."""

    questions: list[str]
    grades: Matrix
    costs: Matrix
    tiers: list[str]

    @classmethod
    def read(cls, path: Path, tiers: Path, llms: tuple[str, ...], prices: dict[str, float]) -> "Rows":
        """The rows of `path`."""
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        grades = [[_number(row["scores"].get(llm)) for llm in llms] for row in rows]
        costs = [[row.get("costs", prices).get(llm, 0.0) for llm in llms] for row in rows]
        return cls([row["question"] for row in rows], np.array(grades), np.array(costs), json.loads(tiers.read_text()))

    def of(self, choices: Choices) -> tuple[Matrix, Matrix]:
        """Grade and cost of each row's choice."""
        index = np.arange(len(choices))
        return np.nan_to_num(self.grades[index, choices]), self.costs[index, choices]


def _number(grade: float | None) -> float:
    return np.nan if grade is None else float(grade)


def by_score(scores: Matrix, costs: Matrix, weight: float) -> Choices:
    """The router's choices: the best score after cost."""
    choices: Choices = np.argmax(scores - weight * costs, axis=1)
    return choices


def by_tier(train: Rows, tiers: list[str], weight: float) -> Choices:
    """Of each tier the LLM that is best on its training rows, after cost; of an unknown tier the best of all."""
    value = np.nan_to_num(train.grades) - weight * train.costs
    rows = {tier: np.array(train.tiers) == tier for tier in set(train.tiers)}
    best = {tier: int(np.argmax(value[of_tier].mean(axis=0))) for tier, of_tier in rows.items()}
    return np.array([best.get(tier, int(np.argmax(value.mean(axis=0)))) for tier in tiers])


def interval(ours: Matrix, other: Matrix) -> tuple[float, float, float]:
    """Mean difference of paired grades in points, and its 95 % bootstrap interval."""
    difference = 100 * (ours - other)
    draws = np.random.default_rng(0).integers(0, len(difference), (SAMPLES, len(difference)))
    low, high = np.percentile(difference[draws].mean(axis=1), [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("bundle", "train", "test", "train_tiers", "test_tiers"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--prices", type=Path)
    given = parser.parse_args()
    router = Router.load(given.bundle)
    prices = json.loads(given.prices.read_text()) if given.prices else {}
    train = Rows.read(given.train, given.train_tiers, router.llms, prices)
    test = Rows.read(given.test, given.test_tiers, router.llms, prices)
    price = train.costs.mean(axis=0)
    dearest = price.max() or 1.0
    budgets = BUDGETS if train.costs.any() else (np.inf,)  # without costs no weight has to be found
    test_scores = router.score(test.questions).astype(float)
    train_scores = router.score(train.questions).astype(float) if train.costs.any() else np.zeros_like(train.grades)
    flat = np.broadcast_to(price / dearest, train.costs.shape)
    weighted = Rows(train.questions, train.grades, flat, train.tiers)
    single = int(np.argmax(np.nan_to_num(train.grades).mean(axis=0)))
    grade, cost = test.of(np.full(len(test.questions), single))
    print(
        f"best single LLM on train, {router.llms[single]}: quality {100 * grade.mean():.2f}, cost {cost.mean():.4g}\n"
    )
    print("| budget | heuristics: quality | cost | router: quality | cost | difference |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for share in budgets:
        allowed = np.inf if np.isinf(share) else share * price[single] * (1 + 1e-9)
        mine = next(w for w in WEIGHTS if train.of(by_score(train_scores, flat, w))[1].mean() <= allowed)
        theirs = next(w for w in WEIGHTS if train.of(by_tier(weighted, train.tiers, w))[1].mean() <= allowed)
        ours, our_cost = test.of(by_score(test_scores, flat[:1], mine))
        other, other_cost = test.of(by_tier(weighted, test.tiers, theirs))
        mean, low, high = interval(ours, other)
        named = "any" if np.isinf(share) else f"{100 * share:.0f} %"
        print(
            f"| {named} | {100 * other.mean():.2f} | {other_cost.mean():.4g} | **{100 * ours.mean():.2f}** "
            f"| {our_cost.mean():.4g} | {mean:+.2f} [{low:+.2f}, {high:+.2f}] |"
        )


if __name__ == "__main__":
    main()
