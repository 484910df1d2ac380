"""What the manifests say of ports, paths, names and times is what the code has."""

import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest

from deploy.local.triton import server as local_triton
from export.command import export as export_command
from gateway.config import endpoints_file
from gateway.config.settings import ENV_PREFIX, Settings, fields
from gateway.envoy_config.command import envoy_config
from gateway.envoy_config.parts.options import Options
from routerdc_contract.bundle import Manifest
from routerdc_contract.services import LIVE
from tests.support.rendered import (
    COMPONENTS,
    KUBERNETES,
    ROOT,
    VERSIONS,
    WHOLE,
    Object,
    byte_count,
    container,
    environment,
    named,
    needs_kubectl,
    overlay,
    pod,
    port_numbers,
    with_components,
)

pytestmark = needs_kubectl
GATEWAY, TRITON = "routerdc-gateway", "routerdc-triton"
# Without these a gateway in a cluster does not listen, finds nothing, or ends calls in flight.
MUST_BE_SET = {
    "host",
    "endpoints_file",
    "triton_address",
    "startup_timeout_seconds",
    "drain_delay_seconds",
    "grace_seconds",
}


def variables(objects: tuple[Object, ...]) -> dict[str, str | None]:
    return environment(objects, container(named(objects, "Deployment", GATEWAY), "gateway"))


def settings(objects: tuple[Object, ...]) -> Settings:
    """As the gateway in the pod reads them."""
    given = {name.removeprefix(ENV_PREFIX).lower(): value for name, value in variables(objects).items()}
    return Settings.model_validate(given)


@pytest.mark.parametrize("component", [None, *(name for name in COMPONENTS if not name.startswith("engine-"))])
def test_every_variable_is_a_setting_and_what_matters_is_set(component: str | None) -> None:
    objects = with_components("cpu", component) if component else overlay("cpu")
    names = {name.removeprefix(ENV_PREFIX).lower() for name in variables(objects)}
    assert all(name.startswith(ENV_PREFIX) for name in variables(objects))
    assert names >= MUST_BE_SET
    assert names <= {name for _, name, _ in fields()}
    settings(objects)


@pytest.mark.parametrize("name", WHOLE)
def test_ports_are_those_of_the_settings(name: str) -> None:
    objects = overlay(name)
    chosen = settings(objects)
    gateway = named(objects, "Deployment", GATEWAY)
    assert port_numbers(gateway) == {
        "grpc": chosen.listen.port,
        "ext-proc": chosen.listen.ext_proc_port,
        "metrics": chosen.listen.metrics_port,
    }
    probes = [container(gateway, "gateway")[kind] for kind in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert all(probe["grpc"] == {"port": chosen.listen.port, "service": LIVE} for probe in probes)
    for service in (GATEWAY, f"{GATEWAY}-headless"):
        ports = named(objects, "Service", service)["spec"]["ports"]
        assert [(port["port"], port["targetPort"]) for port in ports] == [
            (chosen.listen.port, "grpc"),
            (chosen.listen.ext_proc_port, "ext-proc"),
        ]


@pytest.mark.parametrize("name", WHOLE)
def test_the_gateway_looks_up_the_pods_of_triton(name: str) -> None:
    objects = overlay(name)
    scheme, _, address = settings(objects).scoring.triton_address.partition("///")
    host, _, port = address.partition(":")
    service = named(objects, "Service", host)
    assert (scheme, service["spec"]["clusterIP"]) == ("dns:", "None")
    assert "publishNotReadyAddresses" not in service["spec"]
    assert int(port) == port_numbers(named(objects, "Deployment", TRITON))["grpc"]


def test_the_shadow_is_the_candidate() -> None:
    shadowed = settings(with_components("cpu", "shadow"))
    assert shadowed.shadow.shadow_triton_address is not None
    host = shadowed.shadow.shadow_triton_address.removeprefix("dns:///").partition(":")[0]
    candidate = overlay("candidate")
    assert named(candidate, "Service", host)["spec"]["selector"]["app.kubernetes.io/instance"] == "candidate"
    serving = named(overlay("cpu"), "Service", TRITON)["spec"]["selector"]
    labels = named(candidate, "Deployment", f"{TRITON}-candidate")["spec"]["template"]["metadata"]["labels"]
    assert not serving.items() <= labels.items()  # the one in use never gets a candidate's pods


@pytest.mark.parametrize("name", WHOLE)
def test_files_are_where_the_settings_say(name: str) -> None:
    objects = overlay(name)
    spec = pod(named(objects, "Deployment", GATEWAY))
    mounts = {mount["mountPath"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    chosen = settings(objects)
    mount = mounts[str(chosen.files.endpoints_file.parent)]
    assert "subPath" not in mount  # changes of the ConfigMap would not be seen
    (volume,) = [one for one in spec["volumes"] if one["name"] == mount["name"]]
    assert chosen.files.endpoints_file.name in named(objects, "ConfigMap", volume["configMap"]["name"])["data"]
    if chosen.files.api_keys_file is not None:
        assert mounts[str(chosen.files.api_keys_file.parent)]["readOnly"] is True


def test_example_endpoints_are_those_of_the_shipped_bundle(tmp_path: Path) -> None:
    content = named(overlay("cpu"), "ConfigMap", "routerdc-endpoints")["data"]["endpoints.yaml"]
    (tmp_path / "endpoints.yaml").write_text(content, encoding="utf-8")
    read = endpoints_file.read(tmp_path / "endpoints.yaml")
    assert read.llms.keys() == set(Manifest.read(ROOT / "bundles" / "default").llm_names)


@pytest.mark.parametrize("name", WHOLE)
def test_a_gateway_has_time_to_start_and_to_drain(name: str) -> None:
    objects = overlay(name)
    chosen, gateway = settings(objects), named(objects, "Deployment", GATEWAY)
    startup = container(gateway, "gateway")["startupProbe"]
    allowed_seconds = startup["periodSeconds"] * startup["failureThreshold"]
    assert chosen.scoring.startup_timeout_seconds < allowed_seconds < gateway["spec"]["progressDeadlineSeconds"]
    grace_seconds = pod(gateway)["terminationGracePeriodSeconds"]
    assert chosen.shutdown.drain_delay_seconds + chosen.shutdown.grace_seconds + 5 <= grace_seconds
    assert chosen.shutdown.grace_seconds >= chosen.deadlines.batch_deadline_ms / 1000
    # Nobody waits for Triton's first pod longer than the gateway does.
    first_pod_seconds = named(objects, "Deployment", TRITON)["spec"]["progressDeadlineSeconds"]
    assert first_pod_seconds <= chosen.scoring.startup_timeout_seconds


@pytest.mark.parametrize("name", WHOLE)
def test_bodies_that_the_gateway_holds_fit_into_its_memory(name: str) -> None:
    objects = overlay(name)
    limit = container(named(objects, "Deployment", GATEWAY), "gateway")["resources"]["limits"]["memory"]
    assert settings(objects).openai.max_held_body_bytes <= byte_count(limit) / 4


@pytest.mark.parametrize("name", [*WHOLE, "candidate"])
def test_triton_has_time_to_load_and_to_finish(name: str) -> None:
    objects = overlay(name)
    triton = named(objects, "Deployment", TRITON + ("-candidate" if name == "candidate" else ""))
    server = container(triton, "triton")
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in server["args"] if "=" in argument)
    startup = server["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= local_triton.START_TIMEOUT_SECONDS
    drain_seconds = server["lifecycle"]["preStop"]["sleep"]["seconds"] + int(flags["exit-timeout-secs"])
    assert drain_seconds + 5 <= pod(triton)["terminationGracePeriodSeconds"]
    gateway = settings(overlay("cpu"))
    assert int(flags["exit-timeout-secs"]) >= gateway.deadlines.batch_deadline_ms / 1000
    ports = {kind: int(flags[f"{kind}-port"]) for kind in ("http", "grpc", "metrics")}
    assert ports == port_numbers(triton) == asdict(local_triton.TritonPorts())


@pytest.mark.parametrize("name", [*WHOLE, "candidate"])
def test_triton_loads_what_the_export_writes(name: str) -> None:
    triton = named(overlay(name), "Deployment", TRITON + ("-candidate" if name == "candidate" else ""))
    export, server = container(triton, "export"), container(triton, "triton")
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in export["args"])
    options = {option.opts[0].removeprefix("--"): option for option in export_command.params if option.name != "step"}
    assert flags.keys() <= options.keys()
    given = {variable["name"]: variable["value"] for variable in export["env"]}
    for flag, variable in (("target", "TARGET"), ("precision", "PRECISION")):
        assert given[variable] in options[flag].type.choices  # type: ignore[attr-defined]
    assert f"--model-repository={flags['out']}/model_repository" in server["args"]
    out = {mount["mountPath"]: mount["name"] for mount in export["volumeMounts"]}[flags["out"]]
    assert {"name": out, "mountPath": flags["out"], "readOnly": True} in server["volumeMounts"]


def test_loadtest_uses_the_locustfile_in_its_image_and_options_that_it_has(loadtest_variables: set[str]) -> None:
    objects = overlay("loadtest")
    locust = container(named(objects, "Job", "loadtest"), "locust")
    path = VERSIONS["image_interface"]["locustfile"]
    assert f"--locustfile={path}" in locust["args"]
    assert (ROOT / "loadtest" / Path(path).name).is_file()
    given = environment(objects, locust)
    assert {name for name in given if name.startswith("LOADTEST_")} <= loadtest_variables
    assert given["LOADTEST_GATEWAY_ADDRESS"] == f"{GATEWAY}.routerdc:{settings(overlay('cpu')).listen.port}"
    spec = named(objects, "Job", "loadtest")["spec"]
    assert spec["activeDeadlineSeconds"] > 60 * int(flag(locust, "run-time").removesuffix("m"))


def test_envoys_configuration_is_rendered_for_these_gateways_and_read_where_it_is_written() -> None:
    objects = with_components("cpu", "envoy")
    envoy = named(objects, "Deployment", "routerdc-envoy")
    render, server = container(envoy, "render"), container(envoy, "envoy")
    options = {option.opts[0].removeprefix("--") for option in envoy_config.params}
    flags = dict(argument.removeprefix("--").partition("=")[::2] for argument in render["args"])
    assert flags.keys() <= options
    assert flags["out"] in server["args"]
    assert int(flags["listen"].rpartition(":")[2]) == port_numbers(envoy)["openai"]
    assert flags["admin"].startswith("127.0.0.1:")
    assert int(flags["metrics"].rpartition(":")[2]) == port_numbers(envoy)["metrics"]
    limit = server["resources"]["limits"]["memory"]
    assert (limit, int(flags["max-heap-mib"])) == ("1Gi", 768)  # the rest is for stacks, TLS and what the heap has lost
    assert "watch" in flags
    host, _, port = flags["gateway"].rpartition(":")
    assert (named(objects, "Service", host)["spec"]["clusterIP"], int(port)) == (
        "None",
        settings(objects).listen.ext_proc_port,
    )
    assert flags["endpoints"] == str(settings(objects).files.endpoints_file)
    assert server["image"] == VERSIONS["base_images"]["envoy"]
    # Answers that have begun, and those that may still begin, come to their end.
    assert server["lifecycle"]["preStop"]["sleep"]["seconds"] >= Options().first_byte_timeout_seconds
    assert pod(envoy)["terminationGracePeriodSeconds"] > server["lifecycle"]["preStop"]["sleep"]["seconds"]


@pytest.fixture
def loadtest_variables(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Of locust, which patches Python's standard library where it is imported without the variable."""
    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from loadtest.users.settings import ENV_PREFIX, LoadSettings

    return {ENV_PREFIX + name.upper() for name in LoadSettings.model_fields}


def flag(one: Object, name: str) -> str:
    (value,) = [argument.partition("=")[2] for argument in one["args"] if argument.startswith(f"--{name}=")]
    return str(value)


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert VERSIONS["images"]["tag"] == project["version"]


def test_settings_env_repeats_no_default() -> None:
    defaults = {name: field.default for _, name, field in fields()}
    lines = (KUBERNETES / "base/gateway/settings.env").read_text(encoding="utf-8").splitlines()
    for name, value in (line.split("=", 1) for line in lines if line and not line.startswith("#")):
        assert str(defaults[name.removeprefix(ENV_PREFIX).lower()]) != value, f"{name} is the default"
