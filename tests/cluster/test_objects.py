"""What the API server says to every object, without making it."""

import json
import re

import pytest
import yaml

from tests.cluster.support.kubectl import ROUTER, apply, kubectl
from tests.support.rendered import COMPONENTS, Object, overlay, with_components

ENGINES = [name for name in COMPONENTS if name.startswith("engine-")]
BESIDE = [name for name in COMPONENTS if name not in ENGINES]


def known(objects: tuple[Object, ...]) -> list[Object]:
    """Those of the router's namespace whose kinds the cluster has; KEDA's and others' are for clusters with them."""
    kinds = set(re.findall(r"\w+$", kubectl("api-resources", "--no-headers"), re.MULTILINE))
    return [one for one in objects if one["kind"] in kinds and one["metadata"].get("namespace") == ROUTER]


@pytest.mark.parametrize("name", ["cpu", "gpu", "candidate", "production", *BESIDE])
def test_it_is_taken(namespace: None, name: str) -> None:
    """The API server takes every object of an overlay or component, without a warning."""
    objects = with_components("cpu", name) if name in BESIDE else overlay(name)
    apply(yaml.safe_dump_all(known(objects)), "--dry-run=server", "--validate=strict")


def test_what_is_not_confined_is_refused(namespace: None) -> None:
    """Pod Security `restricted` is in force in the router's namespace."""
    container = {"name": "one", "image": "one", "securityContext": {"runAsUser": 0}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": {"containers": [container]}}
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        kubectl("-n", ROUTER, "create", "--dry-run=server", "--filename=-", text=json.dumps(pod))
