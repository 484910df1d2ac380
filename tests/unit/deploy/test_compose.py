"""compose.yaml against the commands, the images and the bundle that it starts. No container engine is needed here."""

import json
import shlex
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click
import pytest
import yaml

from deploy.local.demo import endpoints as demo_endpoints
from deploy.local.processes.ports import claim
from gateway.config import endpoints_file
from routerdc_contract.bundle import Manifest
from tests.support.containerfile import Containerfile

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VERSIONS = yaml.safe_load((ROOT / "deploy/versions.yaml").read_text())
ENDPOINTS = ROOT / "deploy/compose/endpoints.yaml"
NAMES = Manifest.read(ROOT / "bundles/default").llm_names
COMMANDS = {"gateway": "gateway", "envoy-config": "envoy-config", "console": "console", "export": "export"}


def options(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("service", COMMANDS)
def test_every_flag_is_one_of_the_command(service: str) -> None:
    command = next(entry for entry in entry_points(group="routerdc.commands") if entry.name == COMMANDS[service]).load()
    assert {flag.partition("=")[0] for flag in SERVICES[service]["command"]} <= options(command)


def test_images_are_those_of_the_project() -> None:
    tag, own = VERSIONS["images"]["tag"], set(VERSIONS["images"]["names"])
    images = {service["image"] for service in SERVICES.values()}
    assert images - {f"{name}:{tag}" for name in own} == {VERSIONS["base_images"]["envoy"]}
    for service in SERVICES.values():
        if build := service.get("build"):
            file = Containerfile.read(ROOT / build["dockerfile"])
            assert file.stage(build.get("target"))
    built = {service["image"] for service in SERVICES.values() if "build" in service}
    assert built == images - {VERSIONS["base_images"]["envoy"]}


def test_what_a_service_waits_for_exists_and_can_become_so() -> None:
    for name, service in SERVICES.items():
        for other in service.get("depends_on", ()):
            assert other in SERVICES, f"{name} waits for {other}"
    healthy = {"triton": "triton-cpu", "gateway": "gateway"}
    for file in healthy.values():
        stage = Containerfile.read(ROOT / f"deploy/containers/{file}.Containerfile").stages[-1]
        assert stage.last("HEALTHCHECK")


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_demo_endpoints_are_where_endpoints_yaml_has_them() -> None:
    flags = SERVICES["llms"]["command"]
    assert {flag.partition("=")[0] for flag in flags} <= options(demo_endpoints.main)
    names = [flag.removeprefix("--llm=") for flag in flags if flag.startswith("--llm=")]
    first = int(next(flag for flag in flags if flag.startswith("--first-port=")).partition("=")[2])
    content = endpoints_file.read(ENDPOINTS)
    assert tuple(names) == NAMES == tuple(content.llms)
    expected = {name: f"http://llms:{first + i}/v1" for i, name in enumerate(names)}
    assert {name: llm.endpoints[0].address for name, llm in content.llms.items()} == expected


def test_demo_endpoints_listen_where_they_are_told(tmp_path: Path) -> None:
    first = claim(0, "a demo endpoint", "")
    command = [sys.executable, "-m", "deploy.local.demo.endpoints", "--llm=one", f"--ports-file={tmp_path / 'ports'}"]
    with subprocess.Popen([*command, "--host=127.0.0.1", f"--first-port={first}"], cwd=ROOT) as process:
        due = time.monotonic() + 60
        while not (tmp_path / "ports").exists() and process.poll() is None and time.monotonic() < due:
            time.sleep(0.05)
        assert json.loads((tmp_path / "ports").read_text()) == {"one": first}
        with urlopen(f"http://127.0.0.1:{first}/v1/models") as answer:
            assert json.load(answer)["data"][0]["id"] == "one"
        process.send_signal(signal.SIGTERM)


def test_the_commands_in_its_comment_name_its_services() -> None:
    text = (ROOT / "compose.yaml").read_text()
    command = next(line for line in text.splitlines() if "ENDPOINTS=" in line and line.startswith("#"))
    named = shlex.split(command.strip("# "))[6:]
    assert set(named) <= set(SERVICES)
    assert "llms" not in named
