"""What live decisions were, and were worth, as plain data: one source for the terminal and for JSON."""

import datetime

from pydantic import BaseModel, ConfigDict

from routerdc.evaluation.measures.report import Estimate


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Quantiles(_Frozen):
    """Of one number over all decisions, in that number's unit."""

    p50: float
    p90: float
    p99: float
    largest: float


class Traffic(_Frozen):
    """Shares are percent of the decisions, largest first. Tokens are those the encoder saw, of scored queries only."""

    decisions: int
    distinct_queries: int
    first: datetime.datetime
    last: datetime.datetime
    llms: dict[str, float]
    reasons: dict[str, float]
    bundle_ids: dict[str, float]
    fallback_rate: float
    truncated: float
    tokens_total: int
    tokens: Quantiles | None
    total_ms: Quantiles


class Worth(_Frozen):
    """One alternative on the judged decisions: mean quality in percent, and what live decisions are better by.

    `versus`: live minus the alternative, on the decisions for which both are known; `known`: their number.
    """

    name: str
    known: int
    quality: Estimate
    versus: Estimate | None = None


class Judgement(_Frozen):
    """Live decisions against scored queries.

    `matched`: decisions whose query the data hold; `judged`: those for which they also know the chosen LLM's score.
    `best_single`: among the LLMs known for at least half of the judged decisions, the best in hindsight.
    """

    matched: int
    matched_share: float
    judged: int
    live: Worth | None = None
    oracle: Worth | None = None
    best_single: str | None = None
    llms: tuple[Worth, ...] = ()


class DecisionsReport(_Frozen):
    """The whole; `bad_lines` names the first of them."""

    traffic: Traffic
    judgement: Judgement | None
    bad_line_count: int
    bad_lines: tuple[str, ...]
