"""The page of all pools: a table in Markdown, and the same numbers as JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from routerdc.evaluation.baselines.frame import BEST_SINGLE, DOMAIN_EXPERT, KNN, KNN_PRIOR, PROBE
from routerdc.evaluation.measures.bootstrap import group_means, interval, resampled_means
from routerdc.evaluation.measures.cost_report import CALIBRATED
from routerdc.evaluation.measures.judging import OUT_OF_DISTRIBUTION
from routerdc.evaluation.measures.selection import nan_mean
from routerdc.evaluation.pools.cell import ORACLE, ROUTER, Cell, Money
from routerdc.evaluation.pools.pool import Pool
from routerdc.evaluation.reports.tables import Table, markdown_table
from routerdc_contract.frozen import Frozen

FRAME = (BEST_SINGLE, DOMAIN_EXPERT, KNN_PRIOR, KNN, PROBE)
Earned = npt.NDArray[np.float64]


class Row(Frozen):
    """One pool and one group of its tests, in per cent. `sd`: over seeds; `low`, `high`: 95 % of the difference."""

    pool: str
    group: str
    rows: int
    hidden: bool
    """grades were hidden from training, which fools the frame: no mean over pools has it"""
    seeds: int
    looks: int
    router: float
    sd: float
    frame: dict[str, float]
    oracle: float
    over_single: float
    low: float
    high: float
    calibration: float | None
    money: dict[str, Money] = Field(default_factory=dict)

    @property
    def over_frame(self) -> float:
        """Points above the best of the frame."""
        return self.router - max(self.frame.values())


def rows(pool: Pool, frame: Cell, seeds: Sequence[Cell]) -> list[Row]:
    """One for each group of tests. The interval is a paired bootstrap of the rows, after the mean over seeds."""
    return [_row(pool, group, frame, seeds) for group in frame.groups]


def _row(pool: Pool, group: str, frame: Cell, seeds: Sequence[Cell]) -> Row:
    by_seed = [_mean(_values(cell, ROUTER, group)) for cell in seeds]
    single = _values(frame, BEST_SINGLE, group)
    router = [nan_mean(np.stack(parts)) for parts in zip(*(_values(c, ROUTER, group) for c in seeds), strict=True)]
    gain = [ours - theirs for ours, theirs in zip(router, single, strict=True)]
    spread = interval(group_means([resampled_means(part[:, None]) for part in gain])[:, 0])
    errors = [cell.calibration[group] for cell in seeds if group in cell.calibration]
    return Row(
        pool=pool.name,
        group=group,
        rows=sum(map(len, single)),
        hidden=bool(pool.hidden),
        seeds=len(seeds),
        looks=pool.looks,
        router=100 * float(np.mean(by_seed)),
        sd=100 * float(np.std(by_seed)),
        frame={name: 100 * _mean(_values(frame, name, group)) for name in FRAME},
        oracle=100 * _mean(_values(frame, ORACLE, group)),
        over_single=100 * _mean(gain),
        low=100 * spread.low,
        high=100 * spread.high,
        calibration=float(np.mean(errors)) if errors else None,
        money=_money(frame, seeds) if group == next(iter(frame.groups)) else {},
    )


def _values(cell: Cell, contender: str, group: str) -> list[Earned]:
    """What `contender` earns on the rows of each set of `group`; NaN where nothing could be chosen."""
    return [np.array(cell.earned[contender][name], dtype=np.float64) for name in cell.groups[group]]


def _mean(parts: Sequence[Earned]) -> float:
    """Every set weighing the same."""
    return float(np.mean([nan_mean(part) for part in parts]))


def _money(frame: Cell, seeds: Sequence[Cell]) -> dict[str, Money]:
    """Of the router's scores, of its probabilities and of the frame, the router's as means over seeds."""
    ours = [cell.money for cell in seeds if cell.money]
    means = {
        name: _mean_money([one[name] for one in ours]) for name in (ROUTER, CALIBRATED) if ours and name in ours[0]
    }
    return {**means, **{name: money for name, money in frame.money.items() if name in FRAME}}


def _mean_money(found: Sequence[Money]) -> Money:
    """A seed that never reaches the quality saves nothing."""
    return Money(
        aiq=float(np.mean([one.aiq for one in found])),
        cost_save=float(np.mean([one.cost_save or 0.0 for one in found])),
    )


def write_page(folder: Path, found: Mapping[str, Sequence[Row]], command: str) -> list[Path]:
    """Writes pools.md and pools.json into `folder`; returns their paths."""
    every = [row for part in found.values() for row in part]
    folder.mkdir(parents=True, exist_ok=True)
    page, numbers = folder / "pools.md", folder / "pools.json"
    page.write_text(_page(every, command), encoding="utf-8")
    numbers.write_text("[\n" + ",\n".join(row.model_dump_json() for row in every) + "\n]\n", encoding="utf-8")
    return [page, numbers]


def _page(every: Sequence[Row], command: str) -> str:
    parts = [
        "# The recipe on every pool",
        f"`{command}` makes this page. Quality of the chosen LLM in per cent, on rows that training has not seen. The "
        "frame learns from the same rows, from the tokens that the router reads, and is judged on the same rows. The "
        "router is the mean over seeds with its standard deviation; the difference to the best single LLM has a 95 % "
        "interval of a paired bootstrap of the rows. *Looks*: how often a version of the recipe had been judged on "
        "these rows, this time included; recipes are chosen on training rows alone.",
        markdown_table(_quality(every)),
        _overall(every),
        "## Cost",
        "AIQ (mean quality over the range of costs) and the share of the best single LLM's cost that is saved at its "
        "quality, by the router's scores and by its probabilities of a right answer (*calibrated*). The costs of "
        "zeroeval are estimates from the lengths of texts and list prices.",
        markdown_table(_costs(every)),
    ]
    return "\n\n".join(parts) + "\n"


def _quality(every: Sequence[Row]) -> Table:
    header = ["pool, rows", "n", "router", "best single", "domain expert", "kNN 50, prior", "kNN 300", "linear probe"]
    header += ["oracle", "over single", "over the frame", "calibration error", "seeds", "looks"]
    lines = [
        [
            f"{row.pool}, {row.group}",
            f"{row.rows:,}",
            f"**{row.router:.2f} ± {row.sd:.2f}**",
            *(f"{row.frame[name]:.2f}" for name in FRAME),
            f"{row.oracle:.2f}",
            f"{row.over_single:+.2f} [{row.low:+.2f}, {row.high:+.2f}]",
            f"{row.over_frame:+.2f}",
            "" if row.calibration is None else f"{row.calibration:.3f}",
            str(row.seeds),
            str(row.looks),
        ]
        for row in every
    ]
    return Table("", header, lines)


def _overall(every: Sequence[Row]) -> str:
    """Mean difference to the best single LLM over all pools, by whether the tasks were seen."""
    complete = [row for row in every if not row.hidden]
    new = [row.over_single for row in complete if row.group == OUT_OF_DISTRIBUTION]
    seen = [row.over_single for row in complete if row.group != OUT_OF_DISTRIBUTION]
    sentences = [
        f"Mean difference to the best single LLM over {len(part)} {what}: {np.mean(part):+.2f} points."
        for what, part in (("pools, queries like the training's", seen), ("pools, other queries", new))
        if part
    ]
    return " ".join(sentences)


def _costs(every: Sequence[Row]) -> Table:
    lines = [
        [f"{row.pool}: {name}", f"{money.aiq:.2f}", _share(money.cost_save)]
        for row in every
        for name, money in row.money.items()
    ]
    return Table("", ["", "AIQ", "cost saved"], lines)


def _share(saved: float | None) -> str:
    return "never at its quality" if saved is None else f"{saved:.0%}"
