"""Virtual models in endpoints.yaml: what does not fit the pool is refused where it stands."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import endpoints_file
from gateway.errors import EndpointsError

LLMS: dict[str, Any] = {
    "alpha": {"price": 1, "endpoints": [{"address": "http://a.test/v1", "model": "a"}]},
    "beta": {"endpoints": [{"address": "http://b.test/v1", "model": "b"}]},
}


def read(folder: Path, **more: Any) -> endpoints_file.EndpointsFile:
    file = folder / "endpoints.yaml"
    file.write_text(yaml.safe_dump({"default": ["alpha"], "llms": LLMS} | more, sort_keys=False))
    return endpoints_file.read(file)


def test_without_any_there_is_auto(tmp_path: Path) -> None:
    assert list(read(tmp_path).virtual_models) == ["auto"]


def test_those_of_the_file_replace_it(tmp_path: Path) -> None:
    virtual = {"cheap": {"allowed": ["alpha"], "cost_weight": 0.5}, "best": {"default": ["beta"]}}
    assert list(read(tmp_path, virtual_models=virtual).virtual_models) == ["cheap", "best"]


@pytest.mark.parametrize(
    ("virtual", "said"),
    [
        ({"v": {"allowed": ["beta"], "default": ["alpha"]}}, "virtual_models.v: default: alpha: not among its allowed"),
        ({"v": {"cost_weight": 1}}, "there is none for beta"),
        ({"v": {"cost_weight": -1}}, "cost_weight"),
        ({"v": {"alowed": []}}, "alowed"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, virtual: dict[str, Any], said: str) -> None:
    with pytest.raises(EndpointsError) as caught:
        read(tmp_path, virtual_models=virtual)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"api_key_env": "sk-the-key-itself"}, "api_key_env"),
        ({"api_key_file": "relative/path"}, "absolute path"),
        ({"ca_file": "ca.pem"}, "absolute path"),
        ({"api_key_env": "KEY", "api_key_file": "/key"}, "not both"),
    ],
)
def test_wrong_key_and_authority_are_named_and_no_key_is_shown(
    tmp_path: Path, fields: dict[str, str], said: str
) -> None:
    alpha = LLMS["alpha"] | {"endpoints": [LLMS["alpha"]["endpoints"][0] | fields]}
    with pytest.raises(EndpointsError) as caught:
        read(tmp_path, llms=LLMS | {"alpha": alpha})
    assert said in str(caught.value)
    assert "sk-the-key-itself" not in str(caught.value)
