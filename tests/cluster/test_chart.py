"""The Helm chart, once what the overlays made is gone."""

import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.cluster.support import manifests
from tests.cluster.support.kubectl import ROUTER, kubectl, left_in_the_cluster, until
from tools.helm_readme import CHART

SECONDS = 900


def helm(*words: str, text: str | None = None) -> str:
    """What Helm said of the release in the router's namespace."""
    command = ["helm", *words, f"--namespace={ROUTER}", f"--timeout={SECONDS}s"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS + 30, check=False)
    assert done.returncode == 0, f"helm {' '.join(words)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def test_a_release(namespace: None, record_property: Callable[[str, object], None]) -> None:
    """`helm install` brings the router up, `helm test` has a query routed, `helm uninstall` leaves nothing behind."""
    if shutil.which("helm") is None:
        pytest.skip("helm is not installed")
    kubectl("apply", "--filename=-", text=manifests.namespace())
    helm("install", "routerdc", str(CHART), "--wait", "--values=-", text=manifests.chart_values())
    said = helm("test", "routerdc")
    assert re.search(r"routerdc-test\n(.+\n)*Phase: +Succeeded", said), said
    record_property("helm", subprocess.check_output(["helm", "version", "--short"], text=True).strip())
    helm("uninstall", "routerdc", "--wait")
    assert not left_in_the_cluster()
    kinds = "deployments,services,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets,pods"
    kubernetes = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
    until(lambda: {*kubectl("get", kinds, "-n", ROUTER, "-o", "name").split()} <= kubernetes, "nothing is left", 120)
