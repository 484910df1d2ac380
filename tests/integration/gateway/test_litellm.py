"""LiteLLM's Auto Router, the real program, with our /v1/systemone as its classifier.

LiteLLM is no dependency of ours: LITELLM_PYTHON names the interpreter of an environment that has it (1.110 was tried).
"""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.app.server import serving
from gateway.config import settings
from tests.support.fakes.triton import fake_triton
from tests.support.gateways.running import endpoints_file
from tests.unit.gateway.http_api.conftest import TIERS

PYTHON = os.environ.get("LITELLM_PYTHON")
pytestmark = pytest.mark.skipif(PYTHON is None, reason="LITELLM_PYTHON IS NOT SET: the real LiteLLM is not tried")

PROGRAM = """
import asyncio, sys, litellm

def model(name):
    return {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_key": "x", "mock_response": name}}

config = {
    "classifier_type": "oss_classifier",
    "opensource_classifier_config": {"api_base": sys.argv[1], "api_key": "k", "timeout_ms": 10000},
    "tiers": {"SIMPLE": "small", "MEDIUM": "small", "COMPLEX": "large", "REASONING": "large"},
}
auto = {"model": "auto_router/complexity_router", "complexity_router_config": config,
        "complexity_router_default_model": "small"}

async def main():
    router = litellm.Router(model_list=[model("small"), model("large"), {"model_name": "auto", "litellm_params": auto}])
    answer = await router.acompletion(model="auto", messages=[{"role": "user", "content": "What is 2 + 2?"}])
    headers = answer._hidden_params["additional_headers"]
    print(answer.choices[0].message.content, headers["x-litellm-complexity-router-cause"])

asyncio.run(main())
"""


def ask(base: str) -> list[str]:
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [str(PYTHON), "-c", PROGRAM, base]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.split()


async def test_litellm_asks_us_and_goes_on_by_itself_where_we_do_not_answer(tmp_path: Path) -> None:
    tiers = TIERS | {"MEDIUM": TIERS["SIMPLE"], "REASONING": TIERS["COMPLEX"]}
    content = endpoints_file(virtual_models=tiers).model_dump_json()  # JSON is YAML
    (tmp_path / "endpoints.yaml").write_text(content, encoding="utf-8")
    flags: dict[str, Any] = {"port": 0, "metrics_port": 0, "http_port": 0, "deadline_ms": 5000}
    async with fake_triton() as triton:
        files = {"endpoints_file": tmp_path / "endpoints.yaml", "triton_address": triton.address}
        async with serving(settings.load(None, flags | files)) as ports:
            assert await asyncio.to_thread(ask, f"http://127.0.0.1:{ports.http}") == ["large", "jev_classifier"]
    assert (await asyncio.to_thread(ask, f"http://127.0.0.1:{ports.http}"))[1] == "heuristic_scorer"
