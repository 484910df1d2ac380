"""The chosen autoscaling and what else was considered, against bursty traffic: a table and plots.

    python -m loadtest.autoscaling.simulate            make simulate-autoscaling

Nothing here decides: a person reads the table and writes chosen.yaml.
"""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from loadtest.autoscaling import chosen
from loadtest.autoscaling.plot import plot
from loadtest.autoscaling.service_times import ServiceTimes
from loadtest.autoscaling.simulation import Outcome, Plan, Second, Setting, simulate
from loadtest.autoscaling.traffic import BURSTY, arrivals, duration
from routerdc_contract.output_path import OutputPath

START_SECONDS = 30.0  # docs/explanation/scaling.md takes it apart
SEED = 1
PLOTTED = ("chosen", "queue time alone")


def variants(plan: Plan, setting: Setting) -> dict[str, tuple[Plan, Setting]]:
    """What is compared, by name: the chosen plan, and each with one thing changed."""
    asked = plan.asked_per_second_per_pod or 0
    by_queue = replace(plan, asked_per_second_per_pod=None)
    slow = replace(setting, service=setting.service.slower(2))
    return {
        "chosen": (plan, setting),
        "queue time alone": (by_queue, setting),
        "queries asked alone": (replace(plan, queue_seconds_per_request=None), setting),
        "queries computed alone": (
            replace(by_queue, queue_seconds_per_request=None, computed_per_second_per_pod=asked),
            setting,
        ),
        f"{asked - 40:.0f} queries/s per pod": (replace(plan, asked_per_second_per_pod=asked - 40), setting),
        f"{asked + 40:.0f} queries/s per pod": (replace(plan, asked_per_second_per_pod=asked + 40), setting),
        "at least 2 pods": (replace(plan, min_replicas=2), setting),
        "at least 4 pods": (replace(plan, min_replicas=4), setting),
        "scraped every 15 s, rates over 60 s": (replace(plan, scrape_seconds=15, window_seconds=60), setting),
        "pods start in 60 s": (plan, replace(setting, start_seconds=60)),
        "queries cost twice as much": (plan, slow),
        "queries cost twice as much, queries asked alone": (replace(plan, queue_seconds_per_request=None), slow),
    }


def figures(outcome: Outcome) -> dict[str, float]:
    """What a run is judged by."""
    waited_ms = np.array([answer.waited for answer in outcome.answers]) * 1e3
    wanted = [second.wanted for second in outcome.seconds]
    return {
        "default LLM, %": round(outcome.default_share * 100, 2),
        "mean wait, ms": round(float(waited_ms.mean()), 1),
        "p99 wait, ms": round(float(np.quantile(waited_ms, 0.99)), 1),
        "pod-hours": round(outcome.pod_seconds / 3600, 2),
        "most pods": max(wanted),
        "changes": sum(a != b for a, b in pairwise(wanted)),
    }


@click.command()
@click.option("--out", type=OutputPath(file_okay=False), default=Path("docs/explanation"), show_default=True)
def main(out: Path) -> None:
    """Runs every variant over the same arrivals; writes autoscaling.png and autoscaling.json."""
    plan, setting = chosen.plan(chosen.read()["triton"]), Setting(ServiceTimes.read(), START_SECONDS)
    compared = variants(plan, setting)
    with ProcessPoolExecutor() as pool:
        runs = track(pool.map(_run, *zip(*compared.values(), strict=True)), "simulating", total=len(compared))
        outcomes = dict(zip(compared, runs, strict=True))
    results = {name: judged for name, (judged, _) in outcomes.items()}
    out.mkdir(parents=True, exist_ok=True)
    plot({name: outcomes[name][1] for name in PLOTTED}, BURSTY, setting, out / "autoscaling.png")
    (out / "autoscaling.json").write_text(json.dumps(results, indent=1) + "\n")
    Console().print(_table(results))


def _run(plan: Plan, setting: Setting) -> tuple[dict[str, float], list[Second]]:
    """In a process of its own; every run has the same arrivals."""
    times = arrivals(BURSTY, np.random.default_rng(SEED))
    outcome = simulate(plan, setting, times, duration(BURSTY))
    return figures(outcome), outcome.seconds


def _table(results: dict[str, dict[str, float]]) -> Table:
    table = Table("variant", *next(iter(results.values())))
    for name, row in results.items():
        table.add_row(name, *(f"{value:g}" for value in row.values()))
    return table


if __name__ == "__main__":
    main()
