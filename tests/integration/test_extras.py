"""Each extra alone, with nothing else installed: its commands start, and every module of its parts can be imported."""

from pathlib import Path

import pytest

from tests.support.environments.extras import Environment

START = """
import importlib, pkgutil
from cli.command import main
for command in sys.argv[1].split():
    main([command, "--help"], prog_name="routerdc", standalone_mode=False)
for name in sys.argv[2].split():
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        importlib.import_module(module.name)
"""
MISSING = "from cli.command import main; main(['gateway'], prog_name='routerdc')"
# extras: (subcommands, packages of which every module must be importable)
ALONE: dict[tuple[str, ...], tuple[list[str], list[str]]] = {
    (): ([], ["routerdc_contract.v1"]),
    ("client",): (["route"], ["routerdc_client"]),
    ("gateway",): (["gateway", "envoy-config"], ["gateway.app", "gateway.envoy_config"]),
    ("gateway", "tracing"): (["gateway"], ["gateway"]),
    ("triton",): (["triton"], []),
    ("repository",): (["export", "publish"], ["export.artefacts", "export.triton", "export.publish"]),
    ("export",): (["export", "publish"], ["export.artefacts", "export.onnx", "export.parity", "export.triton"]),
    ("demo",): (["demo"], []),
    ("console",): (["console"], ["console"]),
    ("run",): (["demo", "serve", "triton", "export", "gateway", "route"], ["deploy.local"]),
    ("loadtest",): ([], ["loadtest.open_loop", "loadtest.closed_loop", "loadtest.users", "loadtest.shapes"]),
    ("label",): (["collect", "grade", "import", "prior", "refresh", "stand-ins"], ["labelling"]),
    ("train",): (["train", "evaluate", "data", "pool", "cross-validate", "tune-compute"], ["routerdc"]),
}


@pytest.mark.parametrize("extras", ALONE, ids=lambda extras: "+".join(extras) or "none")
def test_commands_start_and_modules_import(extras: tuple[str, ...], tmp_path: Path) -> None:
    commands, packages = ALONE[extras]
    done = Environment(tmp_path, frozenset(extras)).run(START, " ".join(commands), " ".join(packages))
    assert done.returncode == 0, done.stderr
    assert [f"Usage: routerdc {command}" in done.stdout for command in commands] == [True] * len(commands)
    assert "[ARGUMENTS]" not in done.stdout, f"a stand-in for a missing part: {done.stdout}"


def test_a_command_whose_extra_is_missing_names_the_package(tmp_path: Path) -> None:
    done = Environment(tmp_path, frozenset()).run(MISSING)
    assert done.returncode == 1
    assert "`routerdc gateway` needs the package" in done.stderr
