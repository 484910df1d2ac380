"""Envoy Gateway, where the cluster has it: our overlay, where its Envoy listens, and whether it accepts each object."""

from typing import Any

import trustme
import yaml

from tests.cluster.support.kubectl import LLMS, ROUTER, get, items, kubectl, until
from tests.support.rendered import Object, of_kind, overlay

NAMESPACE = "envoy-gateway-system"
"""Where it runs its Envoys; the overlay's network policy names it."""
_OURS = f"gateway.envoyproxy.io/owning-gateway-name=routerdc,gateway.envoyproxy.io/owning-gateway-namespace={ROUTER}"
_SECRET = "routerdc-openai-tls"
AUTHORITY = trustme.CA()
CA = AUTHORITY.cert_pem.bytes().decode()


def installed() -> bool:
    """Whether there is a controller, and the kinds of objects that it reads."""
    kinds = kubectl("get", "crd", "--output=name")
    needed = ("gateways.gateway.networking.k8s.io", "backends.gateway.envoyproxy.io")
    return all(kind in kinds for kind in needed) and bool(items("deployments", "-n", NAMESPACE))


def objects() -> str:
    """The overlay as it is, a certificate for it, and the LLMs' names, all of which lead to the stand-in."""
    return yaml.safe_dump_all([*overlay("envoy-gateway"), _certificate(), *_llms()])


def delete() -> None:
    """What was applied."""
    kubectl("delete", "--filename=-", "--ignore-not-found", "--timeout=240s", text=objects(), seconds=270)


def left() -> str:
    """The names of what Envoy Gateway has made for our Gateway; its pod has minutes for answers that are under way."""
    return kubectl(
        "get", "deployments,services,configmaps,serviceaccounts", "-n", NAMESPACE, "-l", _OURS, "--output=name"
    )


def address() -> str:
    """The name of the Envoy that Envoy Gateway has made for our Gateway, once its pods are ready."""
    until(lambda: items("deployments", "-n", NAMESPACE, "-l", _OURS), "an Envoy of our Gateway")
    (deployment,) = items("deployments", "-n", NAMESPACE, "-l", _OURS)
    name = deployment["metadata"]["name"]
    kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{name}", "--timeout=300s", seconds=330)
    (service,) = items("services", "-n", NAMESPACE, "-l", _OURS)
    return f"{service['metadata']['name']}.{NAMESPACE}.svc.cluster.local"


def accepts(one: Object) -> bool:
    """Whether every condition that Envoy Gateway has written into an object is met."""
    metadata = one["metadata"]
    group = one["apiVersion"].partition("/")[0]
    namespace = ["-n", metadata["namespace"]] if "namespace" in metadata else []
    status = get(f"{one['kind'].lower()}.{group}", metadata["name"], *namespace).get("status", {})
    if one["kind"] == "Gateway":  # not programmed as a whole where no cloud gives Envoy's Service an address
        status["conditions"] = [each for each in status["conditions"] if each["type"] != "Programmed"]
    return {condition["status"] for condition in _conditions(status)} == {"True"}


def _conditions(status: Any) -> list[dict[str, str]]:
    if isinstance(status, list):
        return [found for part in status for found in _conditions(part)]
    if not isinstance(status, dict):
        return []
    nested = [found for name, part in status.items() if name != "conditions" for found in _conditions(part)]
    return [*nested, *status.get("conditions", ())]


def _certificate() -> Object:
    issued = AUTHORITY.issue_cert(f"*.{NAMESPACE}.svc.cluster.local")
    chain = "".join(part.bytes().decode() for part in issued.cert_chain_pems)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _SECRET, "namespace": ROUTER},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": chain, "tls.key": issued.private_key_pem.bytes().decode()},
    }


def _llms() -> list[Object]:
    """A Service for each host of the overlay's backends."""
    hosts = {
        endpoint["fqdn"]["hostname"]
        for backend in of_kind(overlay("envoy-gateway"), "Backend")
        for endpoint in backend["spec"]["endpoints"]
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": host.removesuffix(f".{LLMS}.svc.cluster.local"), "namespace": LLMS},
            "spec": {"selector": {"app": "llm"}, "ports": [{"port": 8000}]},
        }
        for host in sorted(hosts)
    ]
