"""`python -m loadtest.gpu STEP... --out FOLDER`: each step leaves a JSON file there, and `report` reads them all."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click

from loadtest.gpu import plan as plans
from loadtest.gpu.bundles import StepError, train_and_export
from loadtest.gpu.measurements import engine, product, served, write
from loadtest.gpu.plan import Plan
from loadtest.gpu.report import write_report
from loadtest.servers.servers import PartError
from loadtest.servers.worker import WorkerError
from routerdc_contract.output_path import OutputPath

STEPS = ("product", "train", "engine", "served", "report")
TARGETS = ("onnxruntime-cuda", "tensorrt-rtx", "tensorrt")


@click.command()
@click.argument("steps", nargs=-1, type=click.Choice(STEPS))
@click.option("--out", required=True, type=OutputPath(file_okay=False), help="Gets results and work/.")
@click.option("--target", type=click.Choice(TARGETS), default=TARGETS[0], show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "fp16", "bf16"]), default="fp16", show_default=True)
@click.option("--encoder", "names", multiple=True, help="Only this one: MiniLM or mDeBERTa-sized.")
@click.option("--smoke", is_flag=True, help="Tiny, on the CPU: shows that every step works.")
def main(steps: Sequence[str], out: Path, target: str, precision: str, names: Sequence[str], smoke: bool) -> None:
    """Measures the router on a GPU. Without STEPS: all of them, in this order.

    `engine` and `served` need what `train` leaves in the folder --out.
    """
    plan = plans.smoke() if smoke else plans.full(target, precision)
    if names:
        plan = dataclasses.replace(plan, encoders=tuple(one for one in plan.encoders if one.name in names))
    try:
        for step in steps or STEPS:
            click.echo(f"{step} …", err=True)
            _do(step, plan, out)
    except (PartError, StepError, WorkerError) as error:
        raise click.ClickException(str(error)) from None


def _do(step: str, plan: Plan, out: Path) -> None:
    match step:
        case "product":
            write(out, step, product(plan) | {"target": plan.target})
        case "train":
            write(out, step, [train_and_export(encoder, plan, out) for encoder in plan.encoders])
        case "engine":
            write(out, step, [row for encoder in plan.encoders for row in engine(encoder, plan, out)])
        case "served":
            write(out, step, [served(encoder, plan, out) for encoder in plan.encoders])
        case _:
            write_report(out)


if __name__ == "__main__":
    main()
