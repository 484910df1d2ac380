"""The real programs that ask for decisions, as docs/how-to/decisions.md has them, against a gateway.

They are installed apart from our packages by `make check-integrations`; without them the tests are skipped, which
pytest -rs names.
"""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import yaml

from gateway.app.server import serving
from gateway.config import settings
from gateway.domain.scorer import Bundle
from tests.support.fakes.triton import FakeTriton, fake_triton
from tests.support.gateways.running import endpoints_file
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / "examples/litellm/routerdc_plugin.py"
INSTALLED = ROOT / ".cache/integrations"
BLOCKS = dict(
    re.findall(
        r"^### ([^\n]+)\n.*?^```(?:python|yaml)\n(.*?)^```",
        (ROOT / "docs/how-to/decisions.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)
GATEWAY = "http://127.0.0.1:8080"
KEY = "YOUR-GATEWAY-KEY"
MASTER_KEY = "sk-of-the-proxy-of-this-test"
PYTHONS = {"semantic-router": INSTALLED / "semantic-router/bin/python", "OpenAI SDK": Path(sys.executable)}
NAMES = {"SIMPLE": ["small"], "MEDIUM": ["small"], "COMPLEX": ["large"], "REASONING": ["large"]}
BUNDLE = Bundle("0123456789abcdef", ("small", "large"))
START_SECONDS = 240  # LiteLLM's proxy imports for a quarter of a minute on a quiet machine


def python(name: str) -> Path:
    """The interpreter that has the packages of the block `name`; skips the test where there is none."""
    found = PYTHONS.get(name, INSTALLED / "bin/python")
    if not found.exists():
        pytest.skip(f"THE REAL PROGRAM IS NOT TRIED: {name} is not installed, make check-integrations does it")
    return found


@asynccontextmanager
async def door(folder: Path, triton: FakeTriton) -> AsyncIterator[str]:
    """The URL of a gateway whose API key is KEY and whose LLMs are `small` and `large`: Triton always prefers large."""
    llms = {name: {"endpoints": [{"address": f"http://{name}.test/v1", "model": name}]} for name in ("small", "large")}
    file = endpoints_file(
        default=["small"], llms=llms, virtual_models={name: {"allowed": llm} for name, llm in NAMES.items()}
    )
    (folder / "endpoints.yaml").write_text(file.model_dump_json(), encoding="utf-8")  # JSON is YAML
    keys = {"keys": [{"name": "host", "sha256": sha256(KEY.encode()).hexdigest()}]}
    (folder / "keys.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    flags: dict[str, Any] = {"port": 0, "metrics_port": 0, "http_port": 0, "deadline_ms": 5000}
    files = {
        "endpoints_file": folder / "endpoints.yaml",
        "api_keys_file": folder / "keys.yaml",
        "triton_address": triton.address,
    }
    async with serving(settings.load(None, flags | files)) as ports:
        yield f"http://127.0.0.1:{ports.http}"


@pytest.fixture
async def triton() -> AsyncIterator[FakeTriton]:
    """Prefers the second LLM, `large`, always."""
    async with fake_triton(configured=BUNDLE) as found:
        yield found


def run(interpreter: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(interpreter), "-W", "ignore", "example.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=START_SECONDS, check=False)


def texts(triton: FakeTriton) -> set[str]:
    """All that was scored."""
    return {content[4:].decode() for request in triton.requests for content in request.raw_input_contents}


@pytest.mark.parametrize("name", ["OpenAI SDK", "LangChain", "semantic-router"])
async def test_a_client_gets_its_choice(name: str, triton: FakeTriton, tmp_path: Path) -> None:
    interpreter = python(name)
    async with door(tmp_path, triton) as url:
        (tmp_path / "example.py").write_text(BLOCKS[name].replace(GATEWAY, url), encoding="utf-8")
        done = await asyncio.to_thread(run, interpreter, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "chosen: COMPLEX"
    assert name != "LangChain" or "large answers" in done.stdout
    assert texts(triton) == {"What is 2 + 2?"}


@asynccontextmanager
async def proxy(folder: Path, gateway: str) -> AsyncIterator[str]:
    """LiteLLM's proxy with both blocks of the page; `small` and `large` answer with their own names."""
    interpreter = python("LiteLLM")
    mocks = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_key": "x", "mock_response": name}}
        for name in ("small", "large")
    ]
    blocks = [BLOCKS[f"LiteLLM: {kind}"].replace(GATEWAY, gateway) for kind in ("classifier", "plugin")]
    models = [model for block in blocks for model in yaml.safe_load(block)["model_list"]]
    (folder / "proxy.yaml").write_text(yaml.safe_dump({"model_list": mocks + models}), encoding="utf-8")
    shutil.copy(PLUGIN, folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": MASTER_KEY,
        "ROUTERDC_URL": gateway,
        "ROUTERDC_API_KEY": KEY,
    }
    command = [
        str(interpreter.parent / "litellm"),
        "--config",
        "proxy.yaml",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with (folder / "proxy.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        await until(lambda: listening(port) or process.returncode is not None, START_SECONDS)
        assert process.returncode is None, (folder / "proxy.log").read_text()[-3000:]
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def chat(proxy: str, model: str, *texts: str) -> tuple[str, str | None]:
    """The answer (which is its LLM's name), and what LiteLLM's header says of who chose the tier."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
    body = {"model": model, "messages": [{"role": "system", "content": "Be nice."}, *messages]}
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    url = f"{proxy}/v1/chat/completions"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as response:
        answer = await response.json()
        assert response.status == 200, answer
        cause = response.headers.get("x-litellm-complexity-router-cause")
        return answer["choices"][0]["message"]["content"], cause


async def test_litellms_proxy_asks_us_and_goes_on_by_itself_where_we_do_not_answer(
    triton: FakeTriton, tmp_path: Path
) -> None:
    python("LiteLLM")
    async with door(tmp_path, triton) as url, proxy(tmp_path, url) as host:
        assert await chat(host, "auto", "What is 2 + 2?") == ("large", "jev_classifier")
        assert texts(triton) == {"What is 2 + 2?"}  # and not LiteLLM's headings, or the system prompt
        await chat(host, "auto", "What is 2 + 2?", "4", "yes, go on")
        assert texts(triton) == {"What is 2 + 2?", "yes, go on"}
        assert [(await chat(host, "best", f"What is {i} + 2?"))[0] for i in range(5)] == ["large"] * 5
        scored = len(triton.requests)

        triton.delay_seconds = 30  # the gateway is silent for longer than either of them waits
        assert await chat(host, "auto", "What is the capital of France?") == ("small", "heuristic_scorer")
        assert (await chat(host, "best", "What is the capital of Spain?"))[0] in NAMES["SIMPLE"] + NAMES["COMPLEX"]
        assert len(triton.requests) == scored + 2

        triton.delay_seconds, triton.fault = (
            0,
            grpc.StatusCode.INTERNAL,
        )  # the gateway has no scores: 503, and a fallback
        assert await chat(host, "auto", "What is the capital of Italy?") == ("small", "heuristic_scorer")
        assert (await chat(host, "best", "What is the capital of Malta?"))[0] in NAMES["SIMPLE"] + NAMES["COMPLEX"]
