"""What an evaluation finds out, as data: the JSON report, and what tables, plots and pages are drawn from.

Qualities, shares and differences are percentages; costs are US dollars a query.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from routerdc.evaluation.measures.judging import Kind


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Estimate(_Frozen):
    """A mean with its 95 % bootstrap interval (None where there is nothing to resample)."""

    mean: float
    low: float | None = None
    high: float | None = None


class SetSummary(_Frozen):
    """A test set as it was used."""

    name: str
    group: str
    rows: int
    missing: float = Field(description="percent of scores that are missing")


class Line(_Frozen):
    """One contender."""

    name: str
    kind: Kind | Literal["published"]
    sets: dict[str, Estimate]
    groups: dict[str, Estimate]
    versus: dict[str, dict[str, Estimate]] = Field(description="reference → group → difference")
    shares: dict[str, dict[str, float]] = Field(description="group → LLM → percent of the queries")
    collapsed_to: str | None = None


class ReliabilityCurve(_Frozen):
    """Non-empty bins: mean predicted and observed probability (0 to 1), share of the predictions."""

    predicted: list[float]
    observed: list[float]
    weight: list[float]


class Calibration(_Frozen):
    """Expected calibration errors (0 to 1) of one group of data sets."""

    ece: float
    ece_of_choice: float
    floor_of_choice: float | None = Field(
        default=None, description="what true probabilities would show on as many rows; None in reports of before"
    )
    ece_per_llm: dict[str, float]
    curve: ReliabilityCurve


class Perturbed(_Frozen):
    """The router on changed prompts."""

    name: str
    changed: float = Field(description="percent of the queries that the change touches")
    same_choice: float = Field(description="percent of the queries routed as before")
    groups: dict[str, Estimate]


class Removal(_Frozen):
    """The pool without one LLM, by group: router, the best LLM left (chosen on train) and the oracle."""

    llm: str
    router: dict[str, float]
    best_single: dict[str, float]
    oracle: dict[str, float]


class Overlap(_Frozen):
    """Rows of a test set whose query also stands in the training data (white space and case aside)."""

    name: str
    inside: int
    in_train: int


class CostCurve(_Frozen):
    """A contender's hull and what follows from it; `versus` holds differences of AIQ."""

    name: str
    costs: list[float]
    quality: list[float]
    aiq: Estimate
    versus: dict[str, Estimate]
    cost_of_best_single: float | None = Field(description="least cost that reaches the best single LLM's quality")
    perf_gain: float = Field(description="PerfGain: best quality over the best single LLM's, in percent of that")
    cost_save: float | None = Field(description="CostSave: share of the best single LLM's cost saved at its quality")
    pareto_dist: float = Field(description="ParetoDist: mean distance to the frontier of all but the oracle")


class SingleLlm(_Frozen):
    """One LLM in the plane of cost and quality."""

    name: str
    cost: float
    quality: float


class CostReport(_Frozen):
    """Cost against quality on one data set, or on all of them together."""

    name: str
    rows: int
    best_single: SingleLlm
    singles: list[SingleLlm]
    low: float
    high: float
    curves: list[CostCurve]


class LearningPoint(_Frozen):
    """Quality in percent by group with `rows` graded training queries, and its standard deviation over draws."""

    rows: int
    quality: dict[str, float]
    spread: dict[str, float]


class Verdict(_Frozen):
    """Whether to switch the router on, and the sentences that say why; the first one is the verdict."""

    route: bool
    sentences: list[str]


class Report(_Frozen):
    """Everything."""

    bundle: str
    bundle_id: str
    llms: list[str]
    sets: list[SetSummary]
    lines: list[Line]
    calibration: dict[str, Calibration]
    perturbed: list[Perturbed]
    removals: list[Removal]
    overlaps: list[Overlap]
    costs: list[CostReport]
    notes: list[str]
    learning: list[LearningPoint] = []
    verdict: Verdict | None = None

    @property
    def groups(self) -> list[str]:
        """The groups there are, in distribution first."""
        return list(dict.fromkeys(test.group for test in self.sets))
