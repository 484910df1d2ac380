"""A linter's opinion of every pod: checkov's rules for Kubernetes, which `make check-kubernetes` fetches from PyPI."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.rendered import ROOT, needs_kubectl, overlay, with_components

CHECKOV = ROOT / ".cache" / "kubernetes" / "checkov" / "bin" / "checkov"
pytestmark = [
    needs_kubectl,
    pytest.mark.skipif(not CHECKOV.is_file(), reason="checkov is not there: make check-kubernetes"),
]
NOT_OURS = {
    "CKV_K8S_43": "digests belong to a registry: an overlay of the user's has both",
    "CKV_K8S_15": "tags of releases are never moved, so a node need not ask the registry at each start",
    "CKV_K8S_35": "locust reads its API key from the environment",
}


CASES = {
    "production": lambda: overlay("production"),
    "cpu with its candidate": lambda: overlay("cpu") + overlay("candidate"),
    "loadtest": lambda: overlay("loadtest"),
    "bundle out of object storage, and Envoy": lambda: with_components("cpu", "bundle-object-storage", "envoy"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_linter_finds_nothing(case: str, tmp_path: Path) -> None:
    objects = CASES[case]()
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    flags = ["--framework", "kubernetes", "--skip-download", "--output", "json", "--skip-check", ",".join(NOT_OURS)]
    command = [str(CHECKOV), "--file", "objects.yaml", *flags]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    told = json.loads(done.stdout)
    assert told["summary"]["parsing_errors"] == 0
    assert told["summary"]["passed"] > 40
    assert [(check["check_name"], check["resource"]) for check in told["results"]["failed_checks"]] == []
