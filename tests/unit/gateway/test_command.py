import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.command import gateway
from gateway.errors import ScorerUnavailableError
from gateway.route_command import route
from gateway.settings import Settings
from tests.unit.gateway.conftest import Running, endpoints_file
from tests.unit.gateway.fake_scorer import BUNDLE, FakeScorer
from tests.unit.gateway.fake_triton import fake_triton
from tests.unit.gateway.waiting import until

Start = Callable[..., Awaitable[Running]]


async def run_route(*arguments: str, stdin: str = "") -> Result:
    return await asyncio.to_thread(CliRunner().invoke, route, arguments, input=stdin)


async def test_route_prints_candidates_with_scores_and_endpoints(start: Start) -> None:
    result = await run_route("hello", "--address", (await start()).address)
    assert result.exit_code == 0
    assert "beta" in result.output.splitlines()[1]
    for part in ("0.9000", "http://beta.test/v1", "routed: highest score", "margin 0.4000", "5 tokens"):
        assert part in result.output


async def test_route_passes_its_options_on_and_prints_json(start: Start) -> None:
    address = (await start()).address
    options = ["--allow", "alpha", "--allow", "beta", "--cost-weight", "0.1", "--candidates", "1", "--json"]
    answer = json.loads((await run_route("hello", "--address", address, *options)).output)
    assert (answer["llm"], len(answer["candidates"])) == ("alpha", 1)


async def test_route_reads_standard_input(start: Start) -> None:
    running = await start()
    await run_route("-", "--address", running.address, stdin="from a pipe\n")
    assert running.scorer.batches == [["from a pipe\n"]]


async def test_route_shows_a_fallback_without_scores(start: Start) -> None:
    running = await start(FakeScorer(faults={"q": ScorerUnavailableError("down")}))
    result = await run_route("q", "--address", running.address)
    assert "fallback: the scorer cannot be reached" in result.output
    assert "0.0000" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [
                "",
            ],
            "query: there is no text",
        ),
        (["q", "--allow", "omega"], "not in the pool: omega"),
    ],
)
async def test_route_says_what_is_wrong_with_the_request(start: Start, arguments: list[str], message: str) -> None:
    result = await run_route(*arguments, "--address", (await start()).address)
    assert result.exit_code == 1
    assert message in result.output


async def test_route_without_a_gateway_says_how_to_start_one() -> None:
    result = await run_route("q", "--address", "127.0.0.1:1", "--deadline-ms", "300")
    assert result.exit_code == 1
    assert "no answer from a gateway at 127.0.0.1:1" in result.output
    assert "routerdc gateway" in result.output


def test_every_setting_is_a_flag() -> None:
    flags = {option for parameter in gateway.params for option in parameter.opts}
    assert flags >= {f"--{name.replace('_', '-')}" for name in Settings.model_fields}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--deadline-ms", "0"], "deadline_ms: "),
        (["--config", "/nowhere.yaml"], "no such file"),
        (["--endpoints-file", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"),
    ],
)
def test_gateway_that_cannot_start_says_why_in_one_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(gateway, arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_the_gateway_imports_no_training_library() -> None:
    heavy = {"torch", "transformers", "onnx", "onnxruntime", "tensorrt"}
    code = f"import sys, gateway.server, gateway.command, gateway.client; assert not {heavy} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_the_process_writes_its_ports_serves_and_drains_on_sigterm(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.yaml"
    file.write_text(yaml.safe_dump(json.loads(endpoints_file().model_dump_json())), encoding="utf-8")
    ports_file = tmp_path / "ports.json"
    async with fake_triton(delay_seconds=0.5) as triton:
        flags = [
            "--port=0",
            "--metrics-port=0",
            "--deadline-ms=9000",
            f"--ports-file={ports_file}",
            f"--endpoints-file={file}",
        ]
        code = "from contract.command import main; main()"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, "gateway", *flags, f"--triton-address={triton.address}", stderr=subprocess.PIPE
        )
        try:
            await until(ports_file.exists, seconds=30)
            ports = json.loads(ports_file.read_text())
            asking = asyncio.create_task(
                run_route("hello", "--address", f"127.0.0.1:{ports['grpc']}", "--deadline-ms=9000")
            )
            await until(lambda: triton.requests)
            process.send_signal(signal.SIGTERM)
            assert "beta" in (await asking).output
            _, logs = await asyncio.wait_for(process.communicate(), 10)
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 0
    lines = [json.loads(line) for line in logs.decode().splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines if line["event"] in ("serving", "draining", "stopped")] == [
        "serving",
        "draining",
        "stopped",
    ]
    assert next(line for line in lines if line["event"] == "serving")["bundle_id"] == BUNDLE.bundle_id
