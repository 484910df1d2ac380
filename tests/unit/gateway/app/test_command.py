import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from grpc import aio

from gateway.app.command import gateway
from gateway.config.settings import fields
from gateway.errors import ScorerUnavailableError
from routerdc_client.route_command import route
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.support.fakes.triton import FakeTriton, fake_triton
from tests.support.waiting import until
from tests.unit.gateway.app.test_server import NOT_SERVING, health_becomes
from tests.unit.gateway.conftest import Running, endpoints_file

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
    assert flags >= {f"--{name.replace('_', '-')}" for _, name, _ in fields()}


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
    modules = "gateway.app.server, gateway.app.command, routerdc_client"
    code = f"import sys, {modules}; assert not {heavy} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@dataclass
class Started:
    """`routerdc gateway` as a process of its own, in front of a Triton that takes `delay_seconds`."""

    process: asyncio.subprocess.Process
    triton: FakeTriton
    address: str

    async def ended(self, seconds: float) -> list[str]:
        """What was logged, once the process has ended with 0."""
        _, logs = await asyncio.wait_for(self.process.communicate(), seconds)
        assert self.process.returncode == 0
        return [line for line in logs.decode().splitlines() if line.startswith("{")]


@asynccontextmanager
async def started(folder: Path, delay_seconds: float, *more: str) -> AsyncIterator[Started]:
    file, ports_file = folder / "endpoints.yaml", folder / "ports.json"
    file.write_text(yaml.safe_dump(json.loads(endpoints_file().model_dump_json())), encoding="utf-8")
    flags = ["--port=0", "--metrics-port=0", "--deadline-ms=60000", f"--ports-file={ports_file}", *more]
    command = [sys.executable, "-c", "from cli.command import main; main()", "gateway", *flags]
    async with fake_triton(delay_seconds=delay_seconds) as triton:
        command += [f"--endpoints-file={file}", f"--triton-address={triton.address}"]
        process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        try:
            await until(ports_file.exists, seconds=30)
            yield Started(process, triton, f"127.0.0.1:{json.loads(ports_file.read_text())['grpc']}")
        finally:
            if process.returncode is None:
                process.kill()


async def test_the_process_drains_on_sigterm(tmp_path: Path) -> None:
    async with started(tmp_path, delay_seconds=0.5) as gateway:
        asking = asyncio.create_task(run_route("hello", "--address", gateway.address, "--deadline-ms=30000"))
        await until(lambda: gateway.triton.requests)
        gateway.process.send_signal(signal.SIGTERM)
        assert "beta" in (await asking).output
        events = [json.loads(line) for line in await gateway.ended(10)]
    names = [event["event"] for event in events]
    assert names[names.index("serving") :] == ["serving", "draining", "stopped"]
    assert events[names.index("serving")]["bundle_id"] == BUNDLE.bundle_id


async def test_a_second_signal_stops_the_process_at_once(tmp_path: Path) -> None:
    async with started(tmp_path, delay_seconds=60) as gateway:
        asking = asyncio.create_task(run_route("hello", "--address", gateway.address, "--deadline-ms=30000"))
        await until(lambda: gateway.triton.requests)
        for _ in range(2):
            gateway.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
        await gateway.ended(5)
        assert (await asking).exit_code == 1


async def test_the_process_ends_at_sigterm_though_the_file_with_the_keys_hangs(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text(yaml.safe_dump({"keys": [{"name": "team", "sha256": "0" * 64}]}))
    flags = [f"--api-keys-file={keys}", "--file-timeout-seconds=0.2", "--reload-interval-seconds=0.05"]
    async with started(tmp_path, 0, *flags, "--health-interval-seconds=0.05") as gateway:
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "fifo").rename(keys)
        async with aio.insecure_channel(gateway.address) as channel:
            await health_becomes(channel, "", NOT_SERVING)
        gateway.process.send_signal(signal.SIGTERM)
        logs = await gateway.ended(10)
    assert any("api_keys: reading the file" in line for line in logs)


async def test_route_passes_the_rules_on(start: Start) -> None:
    address = (await start(sticky_margin=1)).address
    chosen = []
    for options in (
        ["--deny", "beta"],
        ["--max-price", "1"],
        ["--min-margin", "0.5", "--min-confidence", "0.5", "--session", "s"],
        ["--session", "s"],
    ):
        answer = json.loads((await run_route("hello", "--address", address, "--json", *options)).output)
        chosen.append((answer["llm"], answer["reason"]))
    reasons = ("ROUTED", "ONLY_ONE", "ABSTAINED", "STICKY")
    assert chosen == [("alpha", f"REASON_{reason}") for reason in reasons]


@pytest.mark.parametrize(
    ("arguments", "stdin"), [(["caf\udce9"], b""), (["-"], b"caf\xe9"), (["q", "--session", "\udce9"], b"")]
)
def test_route_says_how_to_convert_text_that_is_not_utf8(arguments: list[str], stdin: bytes) -> None:
    result = CliRunner().invoke(route, arguments, input=stdin)
    assert result.exit_code == 2
    assert "iconv -f latin1 -t utf-8" in result.output
    assert "Traceback" not in result.output
