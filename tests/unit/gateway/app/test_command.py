import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from click.testing import CliRunner, Result

from gateway.app.command import gateway
from gateway.config.settings import fields
from gateway.errors import ScorerUnavailableError
from routerdc_client.route_command import route
from tests.support.fakes.scorer import FakeScorer
from tests.unit.gateway.conftest import Running

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
