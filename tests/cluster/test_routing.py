"""Queries from inside and outside the cluster."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from routerdc_client import RouterClient
from tests.cluster.support.kubectl import LLMS, ROUTER, kubectl, metric, run_in_pod, until
from tests.cluster.support.load import ADDRESS, load
from tests.cluster.support.manifests import NAMES, SERVED

QUERY = "Which planet has the most moons?"


@contextmanager
def port_forward(service: str, port: int) -> Iterator[str]:
    """The address here that leads to a service there."""
    command = ["kubectl", "-n", ROUTER, "port-forward", f"service/{service}", f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
            assert found, "kubectl port-forward did not begin"
            yield found[0]
        finally:
            process.terminate()


def test_from_outside(router: None) -> None:
    """A query from this machine, through kubectl port-forward, by gRPC."""
    with port_forward("routerdc-gateway", 50051) as address, RouterClient(address) as client:
        answer = client.route(QUERY, deadline_ms=20000)
    assert answer.llm in NAMES
    assert answer.bundle_id == SERVED


def test_from_a_pod(router: None) -> None:
    """A query from a pod of another namespace, by gRPC, at `dns:///` of the headless Service."""
    answer = json.loads(run_in_pod("route", ADDRESS, QUERY))
    assert answer["llm"] in NAMES
    assert answer["bundle"] == SERVED
    assert answer["address"] == f"http://llm.{LLMS}.svc.cluster.local:8000/v1"


def test_from_an_openai_client(router: None, record_property: Callable[[str, object], None]) -> None:
    """`model: auto` from a pod through Envoy to an LLM in a third namespace."""
    answer = json.loads(run_in_pod("chat", f"routerdc-openai.{ROUTER}", "10000", QUERY))
    assert answer["status"] == 200
    assert answer["llm"] in NAMES
    assert answer["content"] == f"I am {answer['llm']}."
    record_property("answered", answer["llm"])


def test_tritons_come_and_go(router: None, record_property: Callable[[str, object], None]) -> None:
    """A third Triton is found by DNS and used; it goes again, under load."""
    with load() as answers:
        kubectl("-n", ROUTER, "scale", "deployment/routerdc-triton", "--replicas=3")
        until(lambda: metric('routerdc_tritons{state="in_rotation"}') == 3, "three Tritons in rotation", 900)
        kubectl("-n", ROUTER, "scale", "deployment/routerdc-triton", "--replicas=2")
        until(lambda: metric('routerdc_tritons{state="in_rotation"}') == 2, "two Tritons in rotation", 60)
    record_property("answers", answers.all_scored())
