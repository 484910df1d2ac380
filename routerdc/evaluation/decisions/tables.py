"""A report on live decisions as tables of text."""

from routerdc.evaluation.decisions.report import DecisionsReport, Judgement, Quantiles, Traffic, Worth
from routerdc.evaluation.reports.tables import Table, difference, short_names, with_interval


def decision_tables(report: DecisionsReport) -> list[Table]:
    """Traffic first, then (with data) what it was worth."""
    live = report.traffic
    found = [
        _overview(live),
        _numbers(live),
        _shares("Share of each LLM in percent", live.llms),
        _shares("Share of each reason in percent", live.reasons),
        _shares("Share of each bundle in percent", live.bundle_ids),
    ]
    return found if report.judgement is None else [*found, _quality(report.judgement)]


def _overview(live: Traffic) -> Table:
    rows = [
        ["decisions", str(live.decisions)],
        ["distinct queries", str(live.distinct_queries)],
        ["first", live.first.isoformat(timespec="seconds")],
        ["last", live.last.isoformat(timespec="seconds")],
        ["fallback rate", f"{live.fallback_rate:.2f} %"],
        ["truncated", f"{live.truncated:.2f} %"],
        ["tokens together", str(live.tokens_total)],
    ]
    return Table("Live traffic", ["", "all decisions"], rows)


def _numbers(live: Traffic) -> Table:
    rows = [_quantiles("milliseconds in the gateway", live.total_ms, 2)]
    if live.tokens:
        rows.append(_quantiles("tokens of a scored query", live.tokens, 0))
    return Table("Latency and length", ["", "median", "90 %", "99 %", "largest"], rows)


def _quantiles(name: str, found: Quantiles, digits: int) -> list[str]:
    return [name, *(f"{value:.{digits}f}" for value in (found.p50, found.p90, found.p99, found.largest))]


def _shares(title: str, shares: dict[str, float]) -> Table:
    return Table(title, ["", "share"], [[name, f"{share:.2f}"] for name, share in shares.items()])


def _quality(judged: Judgement) -> Table:
    if judged.live is None or judged.oracle is None:
        return _nothing_judged(judged)
    note = (
        f"{judged.matched} decisions ({judged.matched_share:.1f} %) are about queries of the data; for {judged.judged} "
        "the chosen LLM's score is known. An asterisk marks a difference whose 95 % interval excludes 0."
    )
    names = short_names([one.name for one in judged.llms])
    best = [
        _row(f"best single in hindsight: {name}", one)
        for name, one in zip(names, judged.llms, strict=True)
        if one.name == judged.best_single
    ]
    singles = [_row(name, one) for name, one in zip(names, judged.llms, strict=True) if one.name != judged.best_single]
    rows = [_row(judged.live.name, judged.live), _row(judged.oracle.name, judged.oracle), *best, *singles]
    header = ["", "decisions", "quality", "live decisions minus this"]
    return Table("Quality of live decisions in percent (paired bootstrap over queries)", header, rows, [0], note)


def _nothing_judged(judged: Judgement) -> Table:
    rows = [
        ["about queries of the data", str(judged.matched)],
        ["of these with a known score of the chosen LLM", str(judged.judged)],
    ]
    return Table("Quality of live decisions: unknown", ["", "decisions"], rows)


def _row(name: str, worth: Worth) -> list[str]:
    return [name, str(worth.known), with_interval(worth.quality), difference(worth.versus)]
