"""What fuzzing found, and must not come back."""

from pathlib import Path

import pytest

from gateway.config import api_keys_file, endpoints_file
from gateway.errors import CallersError, EndpointsError
from routerdc_contract.bundle import BundleError, Manifest

POOL = "default: [a]\nllms:\n  {name}:\n    endpoints: [{{address: '{address}', model: {model}}}]\n"
NOT_YAML_TO_PYYAML_EITHER = ['x: "\\UFFFFFFFF"', "x: 2001-99-99", "[" * 1500, "x: !!int zero", "? [1]\n: 2", "\x00"]


def pool(name: str = "a", address: str = "http://h/v1", model: str = "m") -> str:
    return POOL.format(name=name, address=address, model=model)


@pytest.mark.parametrize("content", NOT_YAML_TO_PYYAML_EITHER)
def test_what_pyyaml_stumbles_over_is_refused_with_the_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EndpointsError, match=r"file\.yaml: "):
        endpoints_file.read(path)
    with pytest.raises(CallersError, match=r"file\.yaml: "):
        api_keys_file.read(path)


@pytest.mark.parametrize(
    "address", ["http://h:99999/v1", "http://h:port/v1", "http://[::1/v1", "http://h/v1 ", "http:///v1"]
)
def test_an_address_that_nobody_can_ask_is_refused_before_somebody_is_sent_there(tmp_path: Path, address: str) -> None:
    path = tmp_path / "endpoints.yaml"
    path.write_text(pool(address=address), encoding="utf-8")
    with pytest.raises(EndpointsError, match=r"llms\.a\.endpoints\.0\.address"):
        endpoints_file.read(path)


@pytest.mark.parametrize("name", ['"a\\r\\nx-injected: yes"', '"a\\0"', '" a"', '""', '"\\ud800"'])
def test_a_name_that_cannot_travel_in_a_header_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "endpoints.yaml"
    for content in (pool(name=name).replace("[a]", f"[{name}]"), pool(model=name)):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(EndpointsError, match=r"endpoints\.yaml: "):
            endpoints_file.read(path)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"dim": ' + "9" * 5000 + "}", '{"name": "\\ud800"}'])
def test_a_manifest_that_json_stumbles_over_is_refused_with_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match=r"manifest\.json: "):
        Manifest.read(tmp_path)


def test_a_folder_in_the_manifests_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(BundleError, match="cannot be read"):
        Manifest.read(tmp_path)
