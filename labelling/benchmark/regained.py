"""From ungraded prompts to a bundle, and what it is worth: `python -m labelling.benchmark.regained`.

The commands of the tutorial, one after the other, over five stand-ins of known skill and a judge of known error. What
counts is how much of what lies between the best single LLM and an expert for each kind of task the router regains.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np

from labelling.benchmark.served import ROUTERDC, stand_ins
from labelling.standins.skills import SKILLS
from labelling.standins.tasks import prompts
from routerdc.loaded_bundle import Router

JUDGED_BY = 600  # other prompts than those that were asked


@click.command()
@click.option("--prompts", "count", default=1000, show_default=True)
@click.option("--share", default=0.5, show_default=True, help="Share of the prompt × LLM cells that is asked.")
def main(count: int, share: float) -> None:
    """Prints the share that is regained, and the qualities that it comes from."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with stand_ins(folder, count):
            _run("collect", "prompts.jsonl", "--endpoints", "endpoints.yaml", "--share", str(share), folder=folder)
            _run("grade", "--gold-sample", "100", "--gold", "gold.csv", folder=folder)
            subprocess.run([sys.executable, "-m", "labelling.standins.people", "gold.csv"], cwd=folder, check=True)
            _run("grade", "--judge", "judge.yaml", "--gold", "gold.csv", "--out", "graded.jsonl", folder=folder)
        _run("train", "graded.jsonl", "--out", "bundle", folder=folder)
        click.echo(json.dumps({"prompts": count, "share": share, **regained(folder / "bundle")}))


def _run(*arguments: str, folder: Path) -> None:
    subprocess.run([str(ROUTERDC), *arguments], cwd=folder, check=True, stdout=sys.stderr)


def regained(bundle: Path) -> dict[str, float]:
    """Qualities by the skills that the stand-ins are known to have, on tasks that nobody has asked."""
    asked = prompts(JUDGED_BY, seed=1)
    router = Router.load(bundle)
    skill = np.array([[SKILLS[llm][kind] for llm in router.llms] for _, kind in asked])
    routed = skill[np.arange(len(asked)), router.score([text for text, _ in asked]).argmax(axis=1)].mean()
    single, expert = skill.mean(axis=0).max(), skill.max(axis=1).mean()
    figures = {"best_single_llm": single, "router": routed, "expert": expert}
    return {
        **{name: round(float(value), 4) for name, value in figures.items()},
        "regained": round(float((routed - single) / (expert - single)), 4),
    }


if __name__ == "__main__":
    main()
