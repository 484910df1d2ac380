"""Step `train`: random encoders are fine-tuned a little by `routerdc train`, timed, and exported to be served."""

import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from loadtest.gpu.encoders import Encoder
from loadtest.gpu.plan import Plan
from loadtest.requests.queries import read_queries
from loadtest.servers.processes import ROUTERDC
from routerdc_contract import SAMPLE_QUERIES_FILE

_LLMS = [f"llm-{i}" for i in range(7)]
MAX_TOKENS = 512


class StepError(Exception):
    """A command failed; the message has the end of what it said."""


def train_and_export(encoder: Encoder, plan: Plan, folder: Path) -> dict[str, Any]:
    """Leaves a model repository in `repository(encoder, folder)`; returns what training took."""
    home = _home(encoder, folder)
    home.mkdir(parents=True, exist_ok=True)
    encoder.write(home / "encoder")
    (home / "recipe.yaml").write_text(yaml.safe_dump(_recipe(home / "encoder", plan)), encoding="utf-8")
    (home / "train.json").write_text(json.dumps(_rows(plan.training_rows)), encoding="utf-8")
    few, more = plan.steps
    seconds = {steps: _train(home, steps, plan.device) for steps in (few, more)}
    options = ("--target", plan.target, "--precision", plan.precision, "--out", str(home))
    _run("export", "--bundle", str(home / "bundle"), *options)
    step_seconds = (seconds[more] - seconds[few]) / (more - few)
    return {
        "encoder": encoder.name,
        "batch": plan.training_batch,
        "step_seconds": step_seconds,
        "seconds_before_the_first_step": max(0.0, seconds[few] - few * step_seconds),
        "paper_minutes": step_seconds * 1000 / 60,
    }


def repository(encoder: Encoder, folder: Path) -> Path:
    """Where the exported models of `encoder` are."""
    return _home(encoder, folder) / "model_repository"


def _home(encoder: Encoder, folder: Path) -> Path:
    return folder / "work" / encoder.name


def _train(home: Path, steps: int, device: str) -> float:
    started = time.perf_counter()
    options = ("--recipe", str(home / "recipe.yaml"), "--steps", str(steps), "--device", device)
    _run("train", str(home / "train.json"), *options, "--out", str(home / "bundle"))
    return time.perf_counter() - started


def _recipe(encoder: Path, plan: Plan) -> dict[str, Any]:
    """The paper's, with random clusters given and nothing held out."""
    return {
        "name": "random",
        "encoder": {
            "name": "random",
            "sources": [f"path:{encoder.absolute()}"],
            "pooling": "cls",
            "max_tokens": MAX_TOKENS,
            "truncation_side": "left",
            "trained": True,
        },
        "head": {"projection": "none", "scale": 1.0, "bias": False},
        "sample_llm": {"kind": "published", "positives": 3, "negatives": 3},
        "sample_sample": {"weight": 1.0, "negatives": 3, "temperature": 1.0},
        "data": {
            "labels": "score",
            "clusters": "given",
            "n_clusters": 5,
            "without_templates": False,
            "held_out": 0.0,
        },
        "optimizer": {
            "learning_rate": 5e-5,
            "weight_decay": 0.01,
            "schedule": "constant",
            "steps": plan.steps[1],
            "batch_size": plan.training_batch,
        },
    }


def _rows(count: int) -> list[dict[str, Any]]:
    """Scored queries of mixed lengths; the scores mean nothing."""
    chance = random.Random(0)  # noqa: S311 - a load, no secret
    queries = read_queries(SAMPLE_QUERIES_FILE)
    return [
        {
            "question": f"{i}: {queries[i % len(queries)]}",
            "scores": {name: chance.random() for name in _LLMS},
            "cluster_id": i % 5,
        }
        for i in range(count)
    ]


def _run(*arguments: str) -> None:
    done = subprocess.run([ROUTERDC, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise StepError(f"routerdc {' '.join(arguments[:2])} … failed:\n{(done.stdout + done.stderr)[-2000:]}")
