"""kubectl, as far as the checks need it. Everything goes to the cluster that the current context names."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROUTER = "routerdc"
CLIENTS = "routerdc-check"
LLMS = "llms"
CLUSTER_WIDE = "priorityclasses,clusterroles,clusterrolebindings,persistentvolumes"
PROGRAMS = Path(__file__).parent / "in_pods"


def kubectl(*words: str, text: str | None = None, seconds: float = 120, check: bool = True) -> str:
    """Gives what kubectl wrote; `text` goes to its standard input.

    Raises:
        AssertionError: it failed; with what it said.
    """
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True, timeout=seconds, check=False)
    assert not check or done.returncode == 0, f"kubectl {' '.join(words)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def get(*words: str) -> dict[str, Any]:
    """An object, or a list of them."""
    return dict(json.loads(kubectl("get", *words, "--output=json")))


def items(*words: str) -> list[dict[str, Any]]:
    """The objects of a list."""
    return list(get(*words)["items"])


def apply(text: str, *more: str) -> None:
    """On the server's side, as another owner of fields than people who apply by hand; a warning is an error."""
    words = ["--server-side", "--field-manager=check", "--force-conflicts", "--warnings-as-errors", *more]
    kubectl("apply", *words, "--filename=-", text=text)


def rolled_out(*names: str, seconds: int = 900) -> None:
    """Returns once every deployment of the router has its pods ready."""
    for name in names:
        kubectl("-n", ROUTER, "rollout", "status", f"deployment/{name}", f"--timeout={seconds}s", seconds=seconds + 30)


def pods(name: str, namespace: str = ROUTER) -> list[dict[str, Any]]:
    """Those of an app that are not on their way out."""
    found = items("pods", "-n", namespace, "-l", f"app.kubernetes.io/name={name}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def until(condition: Callable[[], object], what: str, seconds: float = 300) -> None:
    """Returns once `condition()` is true.

    Raises:
        AssertionError: it is not after `seconds`.
    """
    due = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < due, f"not within {seconds:.0f} s: {what}"
        time.sleep(1)


def in_pod(program: str, *arguments: str, namespace: str = CLIENTS, target: str = "deployment/client") -> list[str]:
    """The command that runs one of `in_pods` in a pod with the gateway's image."""
    code = (PROGRAMS / f"{program}.py").read_text(encoding="utf-8")
    return ["kubectl", "-n", namespace, "exec", "-i", target, "--", "python", "-c", code, *arguments]


def run_in_pod(program: str, *arguments: str, namespace: str = CLIENTS, target: str = "deployment/client") -> str:
    """What one of `in_pods` prints.

    Raises:
        AssertionError: it failed.
    """
    return kubectl(*in_pod(program, *arguments, namespace=namespace, target=target)[1:], seconds=180)


def metric(series: str) -> float:
    """A value that one gateway tells, 0 where it has no such series."""
    told = run_in_pod("metrics", namespace=ROUTER, target="deployment/routerdc-gateway")
    return next((float(line.rpartition(" ")[2]) for line in told.splitlines() if line.startswith(series)), 0.0)


def left_in_the_cluster() -> list[str]:
    """What is ours and belongs to no namespace."""
    return kubectl("get", CLUSTER_WIDE, "--output=name", "--selector=app.kubernetes.io/part-of=routerdc").split()
