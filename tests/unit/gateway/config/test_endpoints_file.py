from pathlib import Path

import pytest

from gateway.config import endpoints_file as endpoints
from gateway.errors import EndpointsError
from gateway.policy.choice import Thresholds
from gateway.pool.pool import Pool
from tests.unit.gateway.conftest import endpoints_file

GOOD = """
default: [beta]
llms:
  alpha:
    price: 0.5
    endpoints:
      - {address: "http://a1:8000/v1", model: m}
      - {address: "http://a2:8000/v1", model: m}
  beta:
    endpoints:
      - {address: "https://b/v1", model: n}
  gamma:
    endpoints:
      - {address: "https://g/v1", model: n, in_use: false}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "endpoints.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("default: [beta]", "default: [omega]"), "default: omega: not among llms"),
        (("default: [beta]", "default: []"), "default: "),
        (("default: [beta]", ""), "default: is missing"),
        (("https://b/v1", "b:8000"), r"llms.beta.endpoints.0.address: .*base URL"),
        (("price: 0.5", "price: -1"), "llms.alpha.price: "),
        (("price: 0.5", "price: .nan"), "llms.alpha.price: "),
        (("model: n}", "model: n, api_key_env: A, api_key_file: /b}"), "llms.beta.endpoints.0: .*not both"),
        (("model: n}", "model: n, weight: 0}"), "llms.beta.endpoints.0.weight: "),
        (
            ("llms:", "virtual_models: {small: {allowed: [omega]}}\nllms:"),
            "virtual_models.small.allowed: omega: not am",
        ),
        (
            ("llms:", "virtual_models: {small: {default: [omega]}}\nllms:"),
            "virtual_models.small.default: omega: not am",
        ),
        (("llms:", "virtual_models: {alpha: {}}\nllms:"), "virtual_models: alpha: an LLM has that name"),
        (("price: 0.5", "prize: 1"), "llms.alpha.prize: there is no such field; did you mean price?"),
        (("price: 0.5", "capabilities: [sight]"), "llms.alpha.capabilities.0: .*'vision', 'audio'"),
        (("price: 0.5", "protocols: []"), "llms.alpha.protocols: "),
        (("price: 0.5", "protocols: [grpc]"), "llms.alpha.protocols.0: .*'openai' or 'anthropic'"),
        (("price: 0.5", "parameters: {model: x}"), "llms.alpha.parameters.model.*the caller's own"),
        (("price: 0.5", "parameters: {a b: x}"), "llms.alpha.parameters.a b.*name of a member"),
        (("price: 0.5", "parameters: {seed: 2026-01-01}"), "llms.alpha.parameters.seed: "),
        (("price: 0.5", "parameters: {temperature: .nan}"), "llms.alpha.parameters.temperature.*finite number"),
        (("  beta:", "  alpha:"), "alpha: appears twice"),
        (("default: [beta]", "default: [beta"), "not YAML"),
        ((GOOD, ""), "default: is missing"),
        ((GOOD, "[]"), "file: "),
    ],
)
def test_a_wrong_file_is_refused_with_the_field(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(EndpointsError, match=message) as error:
        endpoints.read(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(EndpointsError, match="cannot be read"):
        endpoints.read(tmp_path / "nowhere.yaml")


def test_a_virtual_model_that_leaves_nobody_is_refused_with_the_reasons() -> None:
    with pytest.raises(ValueError, match=r"virtual_models\.free: .*alpha: price 1 is over 0\.5"):
        endpoints_file(virtual_models={"free": {"max_price": 0.5}})


def test_a_cost_weight_for_all_needs_a_price_for_each() -> None:
    file = endpoints_file().model_dump()
    file["llms"]["beta"]["price"] = None
    with pytest.raises(ValueError, match=r"policy\.cost_weight: .* none for beta"):
        endpoints.EndpointsFile.model_validate(file | {"policy": {"cost_weight": 0.1}})


def test_the_policy_is_part_of_the_pool_that_is_replaced() -> None:
    pool = Pool(endpoints_file(policy={"cost_weight": 0.5, "min_margin": 0.1, "min_confidence": 0.6}))
    assert (pool.cost_weight, pool.thresholds) == (0.5, Thresholds(0.05, 0.1, 0.6, 0.01))
