"""The verdict of an evaluation: route, or do not route, in plain words.

A router is worth switching on if it is proven better than always asking the best single LLM, or if it is proven to
reach that LLM's quality for less money. "Proven" means that the 95 % interval of the paired difference excludes zero.
"""

from routerdc.evaluation.baselines.frame import BEST_SINGLE, DOMAIN_EXPERT
from routerdc.evaluation.measures.judging import OUT_OF_DISTRIBUTION
from routerdc.evaluation.measures.report import CostReport, Estimate, Line, Report, Verdict

WORTH_SAVING = 0.05
"""The least share of the best single LLM's cost that is worth a router."""

MUCH_LEAKED = 0.05
"""The share of test queries that were trained on from which a verdict says so before all else but itself."""


def verdict(report: Report) -> Verdict | None:
    """The verdict on the report's router; None for a report without one."""
    router = next((line for line in report.lines if line.kind == "router"), None)
    if router is None or BEST_SINGLE not in router.versus:
        return None
    main = report.groups[0]
    gain = router.versus[BEST_SINGLE][main]
    saving = max((_saved(cost) for cost in report.costs), default=0.0)
    better, worse_on_new = _proven(gain), _proven_loss(router, OUT_OF_DISTRIBUTION)
    route = (better or saving >= WORTH_SAVING) and not _is_loss(gain) and not worse_on_new
    sentences = [_headline(route, gain, saving, main), _leak(report), *_new_tasks(router), _domain(router, main)]
    sentences += [_room(report, router, main), _share(router, main), *_more_labels(report, main)]
    return Verdict(route=route, sentences=[sentence for sentence in sentences if sentence])


def _leak(report: Report) -> str:
    leaked, rows = sum(test.in_train for test in report.overlaps), sum(test.rows for test in report.sets)
    if not leaked or leaked < MUCH_LEAKED * rows:
        return ""
    return (
        f"NOT A TEST: {leaked} of the {rows} test queries are in the training data, too, so that figures flatter what "
        "has learned them. Test on other queries."
    )


def _proven(difference: Estimate) -> bool:
    return difference.low is not None and difference.low > 0


def _is_loss(difference: Estimate) -> bool:
    return difference.high is not None and difference.high < 0


def _proven_loss(router: Line, group: str) -> bool:
    difference = router.versus[BEST_SINGLE].get(group)
    return difference is not None and _is_loss(difference)


def _headline(route: bool, gain: Estimate, saving: float, group: str) -> str:
    rows = f"{_signed(gain)} points against always asking the best single LLM, {group}"
    saved = f"; its quality is reached at {saving:.0%} less cost" if saving >= WORTH_SAVING else ""
    if route and _proven(gain):
        return f"ROUTE: proven better: {rows}{saved}."
    if route:
        return f"ROUTE FOR COST: quality is not proven better ({rows}){saved}."
    if _is_loss(gain):
        return f"DO NOT ROUTE: proven worse: {rows}. Ask the best single LLM."
    return f"DO NOT ROUTE: not proven better: {rows}{saved}. Ask the best single LLM."


def _new_tasks(router: Line) -> list[str]:
    difference = router.versus[BEST_SINGLE].get(OUT_OF_DISTRIBUTION)
    if difference is None:
        return ["New kinds of tasks were not tested: pass a test set whose name is in no training set."]
    judged = "proven worse" if _is_loss(difference) else "proven better" if _proven(difference) else "not proven"
    return [f"On tasks that are not in the training data: {_signed(difference)} points, {judged}."]


def _domain(router: Line, group: str) -> str:
    difference = router.versus.get(DOMAIN_EXPERT, {}).get(group)
    return "" if difference is None else f"Against one LLM for each recognised domain: {_signed(difference)} points."


def _room(report: Report, router: Line, group: str) -> str:
    oracle = next((line for line in report.lines if line.name == "oracle"), None)
    if oracle is None:
        return ""
    room = oracle.groups[group].mean - router.groups[group].mean
    return f"An oracle that knows every answer would be {room:.1f} points above the router."


def _share(router: Line, group: str) -> str:
    llm, share = max(router.shares[group].items(), key=lambda one: one[1])
    return f"The router gives {share:.0f} % of the queries to {llm}."


def _more_labels(report: Report, group: str) -> list[str]:
    if len(report.learning) < 2:
        return []
    half, full = report.learning[-2:]
    gain = full.quality[group] - half.quality[group]
    return [
        f"More labels: {half.rows} graded queries give {half.quality[group]:.1f}, {full.rows} give "
        f"{full.quality[group]:.1f} (kNN with prior): expect about {max(gain, 0.0):.1f} from twice as many."
    ]


def _saved(cost: CostReport) -> float:
    """The share of the best single LLM's cost that the router saves at its quality."""
    return cost.curves[0].cost_save or 0.0


def _signed(difference: Estimate) -> str:
    if difference.low is None or difference.high is None:
        return f"{difference.mean:+.2f}"
    return f"{difference.mean:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"
