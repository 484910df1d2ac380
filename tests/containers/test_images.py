"""What is in the images, and what is not."""

import json
import os

import pytest
import yaml

from tests.support.container_engine import call, engine, image, inspect
from tests.support.rendered import ROOT, VERSIONS

pytestmark = pytest.mark.skipif(engine() is None, reason="no container engine: podman, or CONTAINER_ENGINE=docker")

SIZES: dict[str, int] = yaml.safe_load((ROOT / "deploy/containers/sizes.yaml").read_text())
BASE = os.environ.get("PYTHON_IMAGE") or VERSIONS["base_images"]["python"]
UNWANTED = ("torch", "transformers", "tensorflow", "pip", "setuptools")
INSTALLED = "import importlib.metadata as m, json; print(json.dumps([d.name.lower() for d in m.distributions()]))"
WRITABLE = "import os; print(sum(os.access(f'{d}/{f}', os.W_OK) for d, _, fs in os.walk('/opt') for f in fs))"


def python(name: str, code: str) -> str:
    return call("run", "--rm", "--network=none", "--entrypoint=/opt/venv/bin/python", image(name), "-c", code)


@pytest.mark.parametrize("name", SIZES)
def test_it_adds_no_more_to_its_base_than_is_recorded(name: str) -> None:
    added = round((inspect(image(name))["Size"] - inspect(BASE)["Size"]) / 1e6)
    assert 0.9 * SIZES[name] <= added <= 1.1 * SIZES[name], f"deploy/containers/sizes.yaml: {name}: {added}"


@pytest.mark.parametrize("name", SIZES)
def test_it_has_no_framework_and_no_installer(name: str) -> None:
    inside = set(json.loads(python(name, INSTALLED)))
    assert "routerdc-triton" in inside or "tritonclient" in inside
    assert inside.isdisjoint(UNWANTED)


@pytest.mark.parametrize("name", SIZES)
def test_its_user_and_entrypoint_are_what_the_manifests_expect(name: str) -> None:
    config = inspect(image(name))["Config"]
    user = VERSIONS["image_interface"]["user"]
    assert config["User"] == f"{user}:{user}"
    assert config["Entrypoint"] == VERSIONS["image_interface"]["entrypoints"][f"routerdc-{name}"]


@pytest.mark.parametrize("name", SIZES)
def test_its_user_may_write_nothing_that_it_runs(name: str) -> None:
    assert python(name, WRITABLE).strip() == "0"
