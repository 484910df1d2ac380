"""Rules that every pod of every overlay keeps."""

from typing import Any

import pytest

from tests.support.rendered import (
    COMPONENTS,
    OVERLAYS,
    VERSIONS,
    WHOLE,
    Object,
    byte_count,
    container,
    containers,
    cores,
    named,
    needs_kubectl,
    of_kind,
    overlay,
    pod,
    with_components,
    workloads,
)

pytestmark = needs_kubectl
USER = VERSIONS["image_interface"]["user"]


def everything() -> list[Any]:
    found = [
        pytest.param(overlay, (name,), id=name) for name in OVERLAYS if name not in ("envoy-gateway", "monitoring")
    ]
    added = [name for name in COMPONENTS if not name.startswith("engine-")]
    return found + [pytest.param(with_components, ("cpu", name), id=f"cpu+{name}") for name in added]


def seconds(probe: Object) -> int:
    """Until it has failed."""
    period, failures = probe["periodSeconds"], probe["failureThreshold"]
    return int(period * failures)


each = pytest.mark.parametrize(("make", "of"), everything())


@each
def test_pods_are_confined(make: Any, of: tuple[str, ...]) -> None:
    for workload in workloads(make(*of)):
        spec = pod(workload)
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        context = spec["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"], context["runAsGroup"]) == (True, USER, USER)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert all("hostPath" not in volume for volume in spec["volumes"])
        for one in containers(workload):
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, one["name"]


@each
def test_containers_say_what_they_need_and_get_no_more(make: Any, of: tuple[str, ...]) -> None:
    for workload in workloads(make(*of)):
        for one in containers(workload):
            requests, limits = one["resources"]["requests"], one["resources"]["limits"]
            assert cores(requests["cpu"]) <= cores(limits["cpu"]), one["name"]
            assert byte_count(requests["memory"]) <= byte_count(limits["memory"]), one["name"]


@each
def test_every_server_has_the_three_probes_and_time_to_answer_them(make: Any, of: tuple[str, ...]) -> None:
    for workload in of_kind(make(*of), "Deployment"):
        for one in pod(workload)["containers"]:
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = one[kind]
                assert probe["timeoutSeconds"] <= probe["periodSeconds"], (one["name"], kind)
            slow, quick = one["livenessProbe"], one["readinessProbe"]
            # It is taken out of rotation long before it is killed.
            assert (
                slow["periodSeconds"] * slow["failureThreshold"]
                > 2 * quick["periodSeconds"] * quick["failureThreshold"]
            )


@each
def test_volumes_are_bounded_used_and_there(make: Any, of: tuple[str, ...]) -> None:
    objects = make(*of)
    for workload in workloads(objects):
        volumes = {volume["name"]: volume for volume in pod(workload)["volumes"]}
        mounted = {mount["name"] for one in containers(workload) for mount in one["volumeMounts"]}
        assert mounted == volumes.keys()
        for volume in volumes.values():
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), volume
            if "configMap" in volume:
                named(objects, "ConfigMap", volume["configMap"]["name"])
            if "persistentVolumeClaim" in volume:
                named(objects, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
        shared = [
            byte_count(v["emptyDir"]["sizeLimit"]) for v in volumes.values() if v.get("emptyDir", {}).get("medium")
        ]
        for one in pod(workload)["containers"]:
            assert sum(shared) < byte_count(one["resources"]["limits"]["memory"]) / 2


@each
def test_service_accounts_exist_and_have_no_token(make: Any, of: tuple[str, ...]) -> None:
    objects = make(*of)
    for workload in workloads(objects):
        account = named(objects, "ServiceAccount", pod(workload)["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", OVERLAYS)
def test_secrets_are_only_referred_to(name: str) -> None:
    assert of_kind(overlay(name), "Secret") == []


@pytest.mark.parametrize("name", WHOLE)
def test_deployments_survive_a_node_a_zone_and_an_upgrade(name: str) -> None:
    objects = overlay(name)
    classes = {one["metadata"]["name"]: one["value"] for one in of_kind(objects, "PriorityClass")}
    for workload in of_kind(objects, "Deployment"):
        spec = pod(workload)
        # One key alone: of several, a scheduler heeds none on nodes that lack one, as those without zones do.
        (zones,) = spec["topologySpreadConstraints"]
        (nodes,) = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        rules = {rule["topologyKey"]: rule for rule in (zones, nodes["podAffinityTerm"])}
        assert set(rules) == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        selector = workload["spec"]["selector"]["matchLabels"]
        assert all(rule["labelSelector"]["matchLabels"] == selector for rule in rules.values())
        assert spec["priorityClassName"] in classes
        assert workload["spec"].get("replicas", 2) >= 2  # none where an autoscaler says how many
        rolling = workload["spec"]["strategy"]["rollingUpdate"]
        assert rolling["maxSurge"] + rolling["maxUnavailable"] == 1
    assert classes["routerdc-gateway"] > classes["routerdc-triton"]


@pytest.mark.parametrize("name", WHOLE)
def test_commands_use_variables_that_are_set(name: str) -> None:
    for workload in workloads(overlay(name)):
        for one in containers(workload):
            asked = {arg.partition("$(")[2].partition(")")[0] for arg in one.get("args", ()) if "$(" in arg}
            assert asked <= {variable["name"] for variable in one.get("env", ())}


def test_plans_are_built_on_a_gpu_with_the_cache_on_a_shared_volume() -> None:
    triton = named(overlay("gpu"), "Deployment", "routerdc-triton")
    export = container(triton, "export")
    assert "--timing-caches=/timing-caches" in export["args"]
    assert {"name": "timing-caches", "mountPath": "/timing-caches"} in export["volumeMounts"]
    for one in containers(triton):
        assert one["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert any(toleration["key"] == "nvidia.com/gpu" for toleration in pod(triton)["tolerations"])


@pytest.mark.parametrize(
    ("component", "bundle"),
    [("bundle-image", "/bundle"), ("bundle-volume", "/bundles/"), ("bundle-object-storage", "/bundle")],
)
@pytest.mark.parametrize("base", ["cpu", "gpu"])
def test_the_export_reads_the_bundle_where_the_component_mounts_it(base: str, component: str, bundle: str) -> None:
    triton = named(with_components(base, component), "Deployment", "routerdc-triton")
    export = container(triton, "export")
    (value,) = [variable["value"] for variable in export["env"] if variable["name"] == "BUNDLE"]
    assert value.startswith(bundle)
    (mount,) = [m for m in export["volumeMounts"] if m["mountPath"] == bundle.rstrip("/")]
    assert mount["readOnly"] is True
    names = [one["name"] for one in pod(triton)["initContainers"]]
    assert names == (["fetch", "export"] if component == "bundle-object-storage" else ["export"])


def test_without_a_component_the_shipped_bundle_is_exported() -> None:
    export = container(named(overlay("cpu"), "Deployment", "routerdc-triton"), "export")
    (value,) = [variable["value"] for variable in export["env"] if variable["name"] == "BUNDLE"]
    assert value == VERSIONS["image_interface"]["shipped_bundle"]


def test_an_autoscaled_deployment_has_no_number_of_replicas() -> None:
    objects = with_components("cpu", "autoscaling")
    scaled: set[str] = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(objects, "ScaledObject")}
    deployments: list[Object] = of_kind(objects, "Deployment")
    assert scaled == {one["metadata"]["name"] for one in deployments if "replicas" not in one["spec"]}
    assert len(scaled) == 2
