"""A real Prometheus scrapes the running gateway and Triton, and evaluates what alerts, KEDA and dashboards ask it."""

import json
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import yaml
from click.testing import CliRunner

from deploy.local.processes.ports import claim
from deploy.local.processes.process import ChildProcess
from routerdc_client import RouterClient
from tests.e2e.conftest import Stack
from tests.support.rendered import ROOT, needs_kubectl, of_kind, overlay
from tests.support.series.promql import autoscaler_queries, dashboard_queries, recorded, rules
from tools.dashboard_picture import main as draw_dashboard

FETCHED = ROOT / ".cache" / "kubernetes" / "prometheus" / "usr" / "bin" / "prometheus"
PROMETHEUS = str(FETCHED) if FETCHED.is_file() else shutil.which("prometheus")
pytestmark = [
    needs_kubectl,
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not there: make check-kubernetes"),
]
START_SECONDS = 60.0
# As the PodMonitors label them; the autoscaler's windows of 30 s shall have their samples soon.
GATEWAY = {"job": "routerdc-gateway", "namespace": "routerdc", "pod": "g1"}
TRITON = {"job": "routerdc-triton", "namespace": "routerdc", "pod": "t1", "triton": "serving"}


class Prometheus:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> Any:
        with urlopen(f"{self.url}/api/v1/{path}", timeout=10) as answer:  # noqa: S310
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def samples(self, query: str) -> list[tuple[dict[str, str], float]]:
        result = self.get(f"query?query={quote(query)}")["result"]
        return [(one["metric"], float(one["value"][1])) for one in result]

    def scraped(self) -> bool:
        try:
            return {labels["job"]: up for labels, up in self.samples("up")} == {GATEWAY["job"]: 1, TRITON["job"]: 1}
        except OSError:
            return False


@pytest.fixture(scope="module")
def prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder, port = tmp_path_factory.mktemp("prometheus"), claim(0, "Prometheus", "", "127.0.0.1")
    groups = [group for one in of_kind(overlay("monitoring"), "PrometheusRule") for group in one["spec"]["groups"]]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration(stack)), encoding="utf-8")
    flags = {
        "--config.file": folder / "prometheus.yaml",
        "--storage.tsdb.path": folder / "data",
        "--web.listen-address": f"127.0.0.1:{port}",
    }
    command = [str(PROMETHEUS), *(f"{flag}={value}" for flag, value in flags.items())]
    with ChildProcess("prometheus", command, log=folder / "prometheus.log") as child:
        server = Prometheus(port)
        child.wait_ready(server.scraped, START_SECONDS)
        ask_for_a_while(stack, seconds=8)
        yield server


def configuration(stack: Stack) -> dict[str, Any]:
    service = stack.service
    targets = ((service.gateway_metrics_address, GATEWAY), (service.triton.metrics_address, TRITON))
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "2s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": labels["job"], "static_configs": [{"targets": [address], "labels": labels}]}
            for address, labels in targets
        ],
    }


def ask_for_a_while(stack: Stack, seconds: float) -> None:
    end = time.monotonic() + seconds
    with RouterClient(stack.service.gateway_address) as client:
        while time.monotonic() < end:
            client.route(f"How many seconds are there in {time.monotonic_ns()} hours?")


def test_each_autoscaler_query_is_one_number(prometheus: Prometheus) -> None:
    asked = autoscaler_queries()
    assert len(asked) == 3
    for query in asked:
        ((_, value),) = prometheus.samples(query)
        assert not math.isnan(value)
        assert value >= 0
    by_kind = {("requests_total" in q, "queue_duration" in q): prometheus.samples(q)[0][1] for q in asked}
    assert by_kind[True, False] > 1  # queries a second
    assert 0 < by_kind[False, True] < 10_000  # milliseconds in the queue


def test_without_requests_the_queue_time_is_nought(prometheus: Prometheus) -> None:
    (query,) = [query for query in autoscaler_queries() if "queue_duration" in query]
    ((_, value),) = prometheus.samples(query.replace('model="routerdc"', 'model="nobody"'))
    assert value == 0


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    found = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(found) == len(rules())
    assert [(rule["name"], rule["lastError"]) for rule in found if rule["health"] == "err"] == []


def test_service_levels_are_numbers_and_hold(prometheus: Prometheus) -> None:
    for name in recorded():
        ((_, value),) = prometheus.samples(name)
        assert 0 <= value <= 1, name
    ((_, bad),) = prometheus.samples("routerdc:decisions_bad:ratio_rate5m")
    assert bad < 0.01


def test_the_dashboards_ask_what_prometheus_understands(prometheus: Prometheus) -> None:
    with_data = [query for query in dashboard_queries() if prometheus.samples(query)]
    assert len(with_data) > len(dashboard_queries()) / 2


@pytest.mark.parametrize("name", ["gateway", "triton"])
def test_a_dashboard_is_drawn_from_what_prometheus_answers(prometheus: Prometheus, name: str, tmp_path: Path) -> None:
    dashboard, picture = ROOT / f"deploy/dashboards/{name}.json", tmp_path / "dashboard.png"
    done = CliRunner().invoke(draw_dashboard, [str(dashboard), prometheus.url, str(picture), "--seconds=10"])
    assert done.exit_code == 0, done.output
    assert picture.read_bytes().startswith(b"\x89PNG")
