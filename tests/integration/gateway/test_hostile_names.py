"""Names that mean something to Envoy, to Lua, to YAML or to a shell are only names in what is rendered."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import certifi
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.envoy_config.command import envoy_config
from routerdc_contract.names import text_fault
from tests.unit.gateway.envoy_config.real_envoy import validate

HOSTILE = (
    "arn%3Aaws%2Fx",
    "%REQ(x-secret)%",
    "%%",
    "100%",
    "]]",
    "\"'\\",
    "a#1",
    "模型",
    "$(id)",
    "{{x}}",
    "--[[",
    "a: b",
    "@type",
)


def hostile_pool(names: Sequence[str]) -> str:
    """An endpoints.yaml in which names, models and paths are all hostile."""
    endpoints = [{"address": f"http://10.0.0.1:8000/{quote(name)}/v1", "model": name} for name in names]
    llms = {name: {"endpoints": [endpoint]} for name, endpoint in zip(names, endpoints, strict=True)}
    return json.dumps({"default": [names[0]], "llms": llms, "virtual_models": {f"v-{name}": {} for name in names}})


@settings(deadline=None, max_examples=8)
@given(st.lists(st.text(st.sampled_from("%()[]{}\"'\\:#@$/ aREQ~模-,;&*"), min_size=1, max_size=20), max_size=6))
def test_envoy_takes_every_name_that_endpoints_yaml_takes(names: list[str]) -> None:
    with TemporaryDirectory() as folder:
        file, out = Path(folder) / "endpoints.yaml", Path(folder) / "envoy.yaml"
        taken = dict.fromkeys((*HOSTILE, *(name for name in names if not text_fault(name))))
        file.write_text(hostile_pool(list(taken)), encoding="utf-8")
        command = ["--endpoints", str(file), "--out", str(out), "--system-ca", certifi.where()]
        result = CliRunner().invoke(envoy_config, command)
        assert result.exit_code == 0, result.output
        validate(out)
