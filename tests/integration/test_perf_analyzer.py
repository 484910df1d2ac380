"""NVIDIA's own load generator can use the model as it is."""

import json
import subprocess
from pathlib import Path

import pytest

from contract.tensors import QUERY, ROUTER_MODEL
from deploy.local.triton import TritonServer
from deploy.local.triton_install import find_triton
from export.samples import sample_queries
from tests.integration import perf_analyzer

CACHE = Path(__file__).parents[2] / ".cache/perf_analyzer"


@pytest.fixture(scope="session")
def binary() -> Path:
    try:
        return perf_analyzer.install(CACHE)
    except perf_analyzer.UnavailableError as error:
        pytest.skip(f"perf_analyzer: {error}")


def test_perf_analyzer_measures_the_model(triton: TritonServer, binary: Path, tmp_path: Path) -> None:
    data = tmp_path / "queries.json"
    queries = [query for query in sample_queries() if len(query) < 500]
    data.write_text(json.dumps({"data": [{QUERY: [query]} for query in queries]}), encoding="utf-8")
    command = [str(binary), "-m", ROUTER_MODEL, "-i", "grpc", "-u", triton.grpc_address, f"--input-data={data}"]
    any_will_do = ["--measurement-request-count=50", "--stability-percentage=100000", "--max-trials=3"]
    limits = ["--concurrency-range=8", "--measurement-mode=count_windows", *any_will_do]
    run = subprocess.run(
        [*command, *limits],
        env=perf_analyzer.environment(tmp_path, find_triton()),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Throughput:" in run.stdout
    assert "infer/sec" in run.stdout
