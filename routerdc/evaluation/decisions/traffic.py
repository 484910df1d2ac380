"""What the gateway did with live traffic: shares, reasons, tokens and latency; needs no scored queries."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from routerdc.evaluation.decisions.log import LoggedDecision
from routerdc.evaluation.decisions.report import Quantiles, Traffic

FALLBACK = "fallback"  # nothing could be scored: the default LLM answered


def traffic(decisions: Sequence[LoggedDecision]) -> Traffic:
    """Describes at least one decision."""
    reasons = _shares(decision.reason for decision in decisions)
    tokens = [decision.token_count for decision in decisions if decision.token_count]
    return Traffic(
        decisions=len(decisions),
        distinct_queries=len({decision.key for decision in decisions}),
        first=min(decision.time for decision in decisions),
        last=max(decision.time for decision in decisions),
        llms=_shares(decision.llm for decision in decisions),
        reasons=reasons,
        bundle_ids=_shares(decision.bundle_id or "none" for decision in decisions),
        fallback_rate=reasons.get(FALLBACK, 0.0),
        truncated=100 * float(np.mean([decision.truncated for decision in decisions])),
        tokens_total=sum(tokens),
        tokens=_quantiles(tokens) if tokens else None,
        total_ms=_quantiles([decision.total_ms for decision in decisions]),
    )


def _shares(names: Iterable[str]) -> dict[str, float]:
    counts = Counter(names)
    return {name: 100 * count / counts.total() for name, count in counts.most_common()}


def _quantiles(values: Sequence[float]) -> Quantiles:
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return Quantiles(p50=float(p50), p90=float(p90), p99=float(p99), largest=float(max(values)))
