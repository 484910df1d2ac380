"""What the check applies: overlays of a user, beside ours, and what calls the router."""

import json
import os
from typing import Any

import yaml

from routerdc_contract.bundle import Manifest
from tests.cluster.support.kubectl import CLIENTS, LLMS, PROGRAMS, ROUTER
from tests.support.rendered import ROOT, VERSIONS, Object, beside, named, overlay, with_components

REGISTRY = os.environ.get("REGISTRY", "").rstrip("/") + "/" if os.environ.get("REGISTRY") else ""
"""Where the images are; empty: loaded into the nodes without one."""
TAG = VERSIONS["images"]["tag"]
NAMES = Manifest.read(ROOT / "bundles/default").llm_names
OTHER = Manifest.read(ROOT / "bundles/full-depth").bundle_id
SERVED = Manifest.read(ROOT / "bundles/default").bundle_id
SMALL = {"resources": {"requests": {"cpu": "100m", "memory": "256Mi"}}}
"""Of a cluster on one machine; limits stay."""
REPLICAS = {"routerdc-triton": 2, "routerdc-envoy": 1}
SETTINGS = {
    # What is checked is what comes out, on machines that may be busy: no query falls back for want of time.
    "ROUTERDC_DEADLINE_MS": "10000",
    "ROUTERDC_RELOAD_INTERVAL_SECONDS": "2",
}


def endpoints(service: str = "llm") -> str:
    """endpoints.yaml with every LLM of the shipped bundle at the stand-in."""
    address = f"http://{service}.{LLMS}.svc.cluster.local:8000/v1"
    llms = {name: {"endpoints": [{"address": address, "model": name}]} for name in NAMES}
    return yaml.safe_dump({"default": list(NAMES[:2]), "llms": llms})


def router(*more: str, bundle: str = "default", endpoints_yaml: str | None = None) -> str:
    """The router with our Envoy, as an overlay of a user makes it, as text for `kubectl apply`.

    Args:
        more: components besides Envoy's.
        bundle: a folder of the exporter's image.
    """
    components = ["envoy", *more]
    literals = [f"{name}={value}" for name, value in SETTINGS.items()]
    overlay: dict[str, Any] = {
        "resources": ["../deploy/kubernetes/overlays/cpu"],
        "components": [f"../deploy/kubernetes/components/{name}" for name in components],
        "replicas": [{"name": name, "count": count} for name, count in REPLICAS.items()],
        "configMapGenerator": [
            {"name": "routerdc-gateway-settings", "namespace": ROUTER, "behavior": "merge", "literals": literals},
            {
                "name": "routerdc-endpoints",
                "namespace": ROUTER,
                "behavior": "replace",
                "literals": [f"endpoints.yaml={endpoints_yaml or endpoints()}"],
                "options": {"disableNameSuffixHash": True},
            },
        ],
        "patches": [
            _patch("routerdc-triton", containers=["triton"], initContainers=["export"], env=_bundle(bundle)),
            _patch("routerdc-gateway", containers=["gateway"]),
            _patch("routerdc-envoy", containers=["envoy"]),
            _brief_end(),
        ],
    }
    return _text(overlay)


def candidate(bundle: str) -> str:
    """A Triton with another bundle, beside the one that serves."""
    patch = _patch("routerdc-triton-candidate", containers=["triton"], initContainers=["export"], env=_bundle(bundle))
    return _text({"resources": ["../deploy/kubernetes/overlays/candidate"], "patches": [patch]})


def chart_values() -> str:
    """Of the Helm chart, for the same router as above, without Envoy."""
    small = {"requests": SMALL["resources"]["requests"]}
    gateway = {"resources": small | {"limits": {"cpu": "2", "memory": "1Gi"}}, "settings": SETTINGS}
    engine = small | {"limits": {"cpu": "1", "memory": "2Gi"}}
    triton = {"replicas": 2, "resources": engine, "exportResources": engine}
    values = {"image": {"registry": REGISTRY}, "endpoints": yaml.safe_load(endpoints())}
    return yaml.safe_dump(values | {"gateway": gateway, "triton": triton})


def monitoring() -> str:
    """What is scraped, service levels, alerts, dashboards."""
    return _dump(*overlay("monitoring"))


def by_cpu() -> str:
    """An autoscaler as KEDA makes it of the component's, but sooner up and down: with less CPU, after less time."""
    scaled = named(with_components("cpu", "autoscaling"), "ScaledObject", "routerdc-gateway")["spec"]
    behavior = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 10}}
    spec: Object = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "routerdc-gateway"},
        "minReplicas": scaled["minReplicaCount"],
        "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": metric}],
        "behavior": behavior | {"scaleDown": behavior["scaleDown"] | {"stabilizationWindowSeconds": 15}},
    }
    metadata = {"name": "routerdc-gateway-check", "namespace": ROUTER}
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    return _dump(kind | {"metadata": metadata, "spec": spec})


def load_test() -> str:
    """The load test as a Job, for half a minute."""
    changes = {3: "--users=5", 4: "--spawn-rate=5", 5: "--run-time=30s"}
    path = "/spec/template/spec/containers/0"
    patch: list[Object] = [
        {"op": "replace", "path": f"{path}/args/{place}", "value": word} for place, word in changes.items()
    ]
    patch.append({"op": "replace", "path": f"{path}/resources/requests", "value": SMALL["resources"]["requests"]})
    # As above: locust counts a late answer as a failed one, and this machine may be busy.
    patch.append({"op": "add", "path": f"{path}/env/-", "value": {"name": "LOADTEST_DEADLINE_MS", "value": "20000"}})
    patches = [{"target": {"kind": "Job"}, "patch": json.dumps(patch)}]
    return _text({"resources": ["../deploy/kubernetes/overlays/loadtest"], "patches": patches})


def namespace() -> str:
    """The router's, as the base has it."""
    return _dump(named(overlay("cpu"), "Namespace", ROUTER))


def quota() -> str:
    """Of the router's namespace: it refuses pods that do not say what they may use."""
    hard = {"requests.cpu": "4", "requests.memory": "8Gi", "limits.cpu": "40", "limits.memory": "40Gi", "pods": "30"}
    metadata = {"name": "check", "namespace": ROUTER}
    return _dump({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}})


def callers() -> str:
    """A namespace that may call, one that may not, and one with the LLMs' stand-in."""
    llm = (PROGRAMS / "llm.py").read_text(encoding="utf-8")
    wait = "import threading; threading.Event().wait()"
    service: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "llm", "namespace": LLMS},
        "spec": {"selector": {"app": "llm"}, "ports": [{"port": 8000}]},
    }
    return _dump(
        _namespace(CLIENTS, {"routerdc-client": "true"}),
        _namespace(f"{CLIENTS}-stranger", {}),
        _namespace(LLMS, {}),
        _deployment("client", CLIENTS, wait),
        _deployment("client", f"{CLIENTS}-stranger", wait),
        _deployment("llm", LLMS, llm),
        service,
    )


def _namespace(name: str, labels: dict[str, str]) -> Object:
    restricted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels | restricted}}


def _deployment(name: str, namespace: str, code: str) -> Object:
    container = {
        "name": name,
        "image": f"{REGISTRY}routerdc-gateway:{TAG}",
        "command": ["python", "-c", code],
        **SMALL,  # else its pod is the last to get CPU, and a query is late for that
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


def _patch(deployment: str, *, env: dict[str, str] | None = None, **lists: list[str]) -> Object:
    """Small requests for those containers, and variables for those that run first."""
    variables = [{"name": name, "value": value} for name, value in (env or {}).items()]
    changes: dict[str, list[Object]] = {
        kind: [{"name": name, **SMALL} for name in names] for kind, names in lists.items()
    }
    for first in changes.get("initContainers", ()):
        first["env"] = variables
    pod = {"spec": {"template": {"spec": changes}}}
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": deployment}, **pod}
    return {"target": {"kind": "Deployment", "name": deployment}, "patch": json.dumps(patch)}


def _brief_end() -> Object:
    """Of Envoy, which else has five minutes for the answers that are under way; here nobody waits for one."""
    path = "/spec/template/spec/containers/0/lifecycle/preStop/sleep/seconds"
    patch = [{"op": "replace", "path": path, "value": 5}]
    return {"target": {"kind": "Deployment", "name": "routerdc-envoy"}, "patch": json.dumps(patch)}


def _bundle(folder: str) -> dict[str, str]:
    """The int8 engine is in one of the bundles; of others the engine is made from the graph."""
    variables = {"BUNDLE": f"/opt/routerdc/bundles/{folder}"}
    return variables if (ROOT / "bundles" / folder / "engine").is_dir() else variables | {"PRECISION": "fp32"}


def _text(overlay: Object) -> str:
    names = VERSIONS["images"]["names"]
    images = [{"name": name, "newName": f"{REGISTRY}{name}"} for name in names] if REGISTRY else []
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "images": images}
    return _dump(*beside(yaml.safe_dump(head | overlay)))


def _dump(*objects: Object) -> str:
    return yaml.safe_dump_all(objects)
