"""The adapter in a checkout of RouterArena, whose base class a stand-in plays: it reads the configuration alike."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from routerdc.loaded_bundle import Router

ADAPTER = Path(__file__).parents[3] / "examples" / "routerarena" / "routerdc_router.py"
BASE = """
import json
from collections.abc import Iterator
from pathlib import Path

class BaseRouter:
    def __init__(self, router_name):
        self.router_name = router_name
        self.config = json.loads((Path(__file__).parents[1] / "config" / f"{router_name}.json").read_text())
        self.models = self.config["pipeline_params"]["models"]

    def get_prediction(self, query):
        model = self._get_prediction(query)
        assert model in self.models
        return model
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the parts of RouterArena that the adapter meets, on the path."""
    folder = tmp_path / "router_inference"
    (folder / "router").mkdir(parents=True)
    (folder / "config").mkdir()
    (folder / "router" / "base_router.py").write_text(BASE, encoding="utf-8")
    (folder / "router" / "routerdc_router.py").write_bytes(ADAPTER.read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("router_inference")]:
        monkeypatch.delitem(sys.modules, name)
    scores = np.array([[3.0, 2.0, 1.0]], dtype=np.float32)
    loaded = SimpleNamespace(llms=("org/large", "small", "other"), score=lambda _: scores)
    monkeypatch.setattr(Router, "load", lambda bundle: loaded if bundle == "mine" else None)
    yield folder
    for name in [name for name in sys.modules if name.startswith("router_inference")]:
        del sys.modules[name]


def router(checkout: Path, **parameters: Any) -> Any:
    (checkout / "config" / "r.json").write_text(json.dumps({"pipeline_params": parameters}), encoding="utf-8")
    from router_inference.router.routerdc_router import RouterDC  # type: ignore[import-not-found]

    return RouterDC("r")


def test_only_the_models_of_the_configuration_are_chosen_from(checkout: Path) -> None:
    assert router(checkout, models=["other", "small"], bundle="mine").get_prediction("any") == "small"


def test_a_model_may_have_another_name_in_the_bundle(checkout: Path) -> None:
    names = {"large-2025": "org/large"}
    found = router(checkout, models=["small", "large-2025"], bundle="mine", llms=names)
    assert found.get_prediction("any") == "large-2025"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"models": ["small"]}, "r.json: pipeline_params.bundle: missing"),
        ({"models": ["small", "gpt"], "bundle": "mine"}, "the bundle does not know gpt; it knows org/large, small"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(checkout: Path, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        router(checkout, **parameters)
