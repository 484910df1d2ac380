"""Locust on the whole stack, in processes of its own."""

import csv
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.conftest import Stack

LOADTEST = Path(__file__).parents[3] / "loadtest"
FILE = LOADTEST / "locustfile.py"
TIMEOUT_SECONDS = 120


def locust(stack: Stack, out: Path, *arguments: str, file: str = str(FILE)) -> "subprocess.CompletedProcess[str]":
    flags: Mapping[str, object] = {
        "--locustfile": file,
        "--gateway-address": stack.service.gateway_address,
        "--triton-address": stack.service.triton.grpc_address,
        "--openai-url": stack.service.openai_base_url,
        "--deadline-ms": 20_000,
        "--batch-deadline-ms": 20_000,
        "--csv": out / "run",
        "--html": out / "report.html",
    }
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary"]
    return subprocess.run(
        [*command, *(f"{name}={value}" for name, value in flags.items()), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))
