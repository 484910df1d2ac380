"""Alerts and service levels, evaluated by Prometheus itself on series that alerts*.yaml write down."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.rendered import ROOT, needs_kubectl, of_kind, overlay
from tests.support.series.promql import rules

CASES = sorted(Path(__file__).parent.glob("alerts*.yaml"))
FETCHED = ROOT / ".cache" / "kubernetes" / "prometheus" / "usr" / "bin" / "promtool"
PROMTOOL = str(FETCHED) if FETCHED.is_file() else shutil.which("promtool")
pytestmark = needs_kubectl
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not there: make check-kubernetes")


def promtool(folder: Path, *arguments: str) -> str:
    command = [str(PROMTOOL), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    groups = [group for one in of_kind(overlay("monitoring"), "PrometheusRule") for group in one["spec"]["groups"]]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
    for cases in CASES:
        shutil.copy(cases, tmp_path)
    return tmp_path


@needs_promtool
def test_prometheus_takes_the_rules(folder: Path) -> None:
    assert f"{len(rules())} rules found" in promtool(folder, "check", "rules", "rules.yaml")


@needs_promtool
@pytest.mark.parametrize("cases", CASES, ids=lambda cases: cases.stem)
def test_alerts_fire_when_they_should_and_only_then(folder: Path, cases: Path) -> None:
    assert "SUCCESS" in promtool(folder, "test", "rules", cases.name)


def test_no_two_groups_have_the_same_name() -> None:
    """Prometheus refuses all rules then, and promtool, which says so, is not on every machine."""
    for one in of_kind(overlay("monitoring"), "PrometheusRule"):
        names = [group["name"] for group in one["spec"]["groups"]]
        assert sorted(set(names)) == sorted(names), one["metadata"]["name"]


def test_every_alert_fires_in_some_case() -> None:
    tried = set(re.findall(r"Routerdc\w+", "".join(cases.read_text(encoding="utf-8") for cases in CASES)))
    assert tried == {rule["alert"] for rule in rules() if "alert" in rule}
