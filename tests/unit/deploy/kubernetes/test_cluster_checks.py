"""What the checks on a cluster read is still written like that."""

import shutil
import subprocess

import pytest
import yaml

from cli.table import Table
from export.command import COLUMNS
from tests.cluster.support.export_log import agreement
from tests.cluster.support.manifests import SMALL, chart_values
from tests.cluster.support.report import Row, described, merged
from tests.support.rendered import containers, workloads
from tools.helm_readme import CHART


@pytest.mark.parametrize("same", ["99.18%", "99.18% + 0.82% tied"])
def test_the_agreement_is_read_from_the_log_of_the_export(capsys: pytest.CaptureFixture[str], same: str) -> None:
    rows = [(step, "made", 244, choice, 0.013, 0.078) for step, choice in (("graph", "100.00%"), ("repository", same))]
    Table(COLUMNS, rows).print()
    assert agreement(capsys.readouterr().out) == (244, 99.18)


def test_the_page_has_one_row_for_what_is_checked_alike() -> None:
    alike = [Row("taken", "passed", 2, ""), Row("taken", "passed", 3, ""), Row("taken", "failed", 1, "")]
    assert merged(alike) == [Row("taken", "passed", 5, "2 of them"), Row("taken", "failed", 1, "")]
    changes = [Row("change", "passed", 2, "gateway"), Row("change", "passed", 3, "Triton")]
    assert merged(changes) == changes


def test_the_page_counts_nodes_that_are_alike() -> None:
    info = {"osImage": "Debian 12", "architecture": "amd64", "kernelVersion": "6.18.44-generic"}
    info |= {"containerRuntimeVersion": "containerd://2.4.2", "kubeletVersion": "v1.36.3"}
    small, large = ({"status": {"nodeInfo": info, "capacity": {"cpu": cpu}}} for cpu in ("2", "8"))
    of_each = "(Debian 12, amd64, kernel 6.18.44, containerd://2.4.2, kubelet v1.36.3)"
    assert described([small, large, small]) == f"2 × 2 cores {of_each}; 1 × 8 cores {of_each}"


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
def test_every_container_of_the_charts_release_asks_for_little() -> None:
    """A pod asks for the most that one of its containers does, those that end before the others included."""
    command = ["helm", "template", "routerdc", str(CHART), "--no-hooks", "--kube-version=1.36", "--values=-"]
    told = subprocess.run(command, input=chart_values(), capture_output=True, text=True, check=True, timeout=60).stdout
    objects = tuple(one for one in yaml.safe_load_all(told) if one)
    found = [one["resources"] for workload in workloads(objects) for one in containers(workload)]
    assert len(found) == 3
    for resources in found:
        assert resources["requests"] == SMALL["resources"]["requests"]
        assert resources["limits"]
