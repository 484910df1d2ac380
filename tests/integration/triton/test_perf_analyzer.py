"""NVIDIA's own load generator can use the model as it is."""

from pathlib import Path

import pytest

from deploy.local.triton.server import TritonServer
from export.parity.samples import sample_queries
from loadtest.perf_analyzer import PerfAnalyzer, UnavailableError

CACHE = Path(__file__).parents[3] / ".cache/perf_analyzer"
QUERIES = [query for query in sample_queries() if len(query) < 500]


@pytest.fixture(scope="session")
def perf_analyzer() -> PerfAnalyzer:
    try:
        return PerfAnalyzer(CACHE)
    except UnavailableError as error:
        pytest.skip(f"perf_analyzer: {error}")


def test_perf_analyzer_measures_the_model(triton: TritonServer, perf_analyzer: PerfAnalyzer) -> None:
    done = perf_analyzer.closed_loop(triton.grpc_address, QUERIES, concurrency=4, seconds=3)
    assert len(done.took_ms) > 20
    assert done.per_second == pytest.approx(4000 / (sum(done.took_ms) / len(done.took_ms)), rel=0.3)  # Little's law


def test_perf_analyzer_offers_poisson_arrivals(triton: TritonServer, perf_analyzer: PerfAnalyzer) -> None:
    done = perf_analyzer.poisson(triton.grpc_address, QUERIES, per_second=30, seconds=6)
    assert done.per_second == pytest.approx(30, rel=0.35)


def test_an_error_of_the_tool_is_told(perf_analyzer: PerfAnalyzer) -> None:
    with pytest.raises(UnavailableError, match="perf_analyzer failed"):
        perf_analyzer.closed_loop("127.0.0.1:1", QUERIES, concurrency=1, seconds=1)
