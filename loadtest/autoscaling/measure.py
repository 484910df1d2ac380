"""What a query costs a Triton pod, measured: what the simulation and docs/explanation/scaling.md count with.

    python -m loadtest.autoscaling.measure

A real tritonserver is held on some cores and kept busy, always with two requests of b queries each; the CPU time that
it takes for a query is counted, the least of the rounds. On a core of its own a busy pod computes a batch in exactly
that time, and it hardly depends on who else uses the machine. Measured twice: with queries that fill the model's limit
of tokens, the most that a query costs and what everything is planned with, and with the sample queries as they are.
"""

import json
import os
import platform
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import click
import grpc
import yaml

from deploy.local.triton.server import TritonServer
from gateway.scoring.triton import kserve
from routerdc_contract import SAMPLE_QUERIES_FILE
from routerdc_contract.output_path import OutputPath
from routerdc_contract.whole_file import write_whole

BATCHES = (1, 2, 4, 8, 16, 32, 64)
MEASURED = Path(__file__).with_name("measured.yaml")
COMMAND = "python -m loadtest.autoscaling.measure"
_BUSY_SECONDS = 5.0
_REPEATED = 20  # more than any limit of tokens that is served on a CPU


@contextmanager
def _held_on(cores: set[int]) -> Iterator[None]:
    """This process, and every process that it starts inside the block, stays on `cores`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before - cores or before)


class _Caller:
    """Sends the queries in turn, in the gateway's own requests."""

    def __init__(self, triton: str, queries: list[str]) -> None:
        self._infer: Any = grpc.insecure_channel(triton).unary_unary(kserve.INFER)
        self._queries = cycle(queries)

    def keep_busy(self, rows: int) -> int:
        """How many queries were answered while two requests with `rows` queries each were always in flight."""
        under_way, done, end = deque([self._send(rows), self._send(rows)]), 0, time.perf_counter() + _BUSY_SECONDS
        while under_way:
            under_way.popleft().result()
            done += rows
            if time.perf_counter() < end:
                under_way.append(self._send(rows))
        return done

    def _send(self, rows: int) -> Any:
        return self._infer.future(kserve.infer_request(list(islice(self._queries, rows))))


@click.command()
@click.option("--repository", type=click.Path(exists=True, path_type=Path), default=Path("build/model_repository"))
@click.option("--queries", type=click.Path(exists=True, path_type=Path), default=SAMPLE_QUERIES_FILE)
@click.option("--cores", default=1, show_default=True, help="Of the pod.")
@click.option("--rounds", default=2, show_default=True)
@click.option("--out", type=OutputPath(dir_okay=False), default=MEASURED, show_default=True)
def main(repository: Path, queries: Path, cores: int, rounds: int, out: Path) -> None:
    """Measures a Triton pod and writes what the simulation reads."""
    texts = [json.loads(line)["query"] for line in queries.read_text(encoding="utf-8").splitlines()]
    load_average = os.getloadavg()[0]
    server = TritonServer(repository, log=Path("build/logs/measured-triton.log"))
    started = time.perf_counter()
    try:
        with _held_on(set(sorted(os.sched_getaffinity(0))[:cores])):
            server.start()
        start_seconds = time.perf_counter() - started
        pid, address = server.process.pid, server.grpc_address
        longest = _cpu_ms(_Caller(address, [_filled(text) for text in texts]), pid, rounds)
        as_they_are = _cpu_ms(_Caller(address, texts), pid, rounds)
    finally:
        server.stop()
    measured = {
        "processor": _processor(),
        "cores": cores,
        "load_average": round(load_average, 1),
        "start_seconds": round(start_seconds, 2),
        "cpu_ms_per_query": longest,
        "cpu_ms_per_sample_query": as_they_are,
    }
    write_whole(out, f"# {COMMAND}\n" + yaml.safe_dump(measured, sort_keys=False))
    click.echo(out.read_text(encoding="utf-8"))


def _filled(text: str) -> str:
    return " ".join([text] * _REPEATED)


def _cpu_ms(caller: _Caller, server: int, rounds: int) -> dict[int, float]:
    measured = [{rows: _cpu_ms_per_query(caller, server, rows) for rows in BATCHES} for _ in range(rounds)]
    return {rows: round(min(one[rows] for one in measured), 3) for rows in BATCHES}


def _cpu_ms_per_query(caller: _Caller, server: int, rows: int) -> float:
    before = _cpu_seconds(server)
    queries = caller.keep_busy(rows)
    return (_cpu_seconds(server) - before) * 1e3 / queries


def _cpu_seconds(pid: int) -> float:
    """Of the process and its children: Triton's Python backend is one."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return own + sum(_cpu_seconds(int(child)) for file in children for child in file.read_text().split())


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
