"""The comparison of data planes: rounds take turns, failures are not measured as speed."""

import aiohttp
import click
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from loadtest.closed_loop.chat_overhead import Target, measure, percentile, report


def server(asked: list[str], name: str, status: int = 200) -> TestServer:
    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{name}:{(await request.json())['model']}")
        return web.json_response({}, status=status)

    application = web.Application()
    application.router.add_post("/v1/chat/completions", answer)
    return TestServer(application)


async def test_targets_take_turns_in_every_round() -> None:
    asked: list[str] = []
    async with server(asked, "a") as a, server(asked, "b") as b:
        targets = [Target("a", str(a.make_url("/v1")), "x"), Target("b", str(b.make_url("/v1")), "y")]
        took = await measure(targets, rounds=2, requests=3, concurrency=1)
    assert asked[-12:] == [*["a:x"] * 3, *["b:y"] * 3] * 2
    assert [len(one) for one in took["a"]] == [len(one) for one in took["b"]] == [3, 3]
    assert report(took).row_count == 2


async def test_failing_target_ends_the_measurement() -> None:
    async with server([], "a", status=503) as failing:
        with pytest.raises(aiohttp.ClientResponseError, match="503"):
            await measure([Target("a", str(failing.make_url("/v1")), "x")], rounds=1, requests=1, concurrency=1)


def test_percentiles() -> None:
    values = [float(value) for value in range(1, 102)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([7.0], 0.99)) == (51.0, 100.0, 7.0)


@pytest.mark.parametrize("text", ["a", "a=b", "a==c", "a=b=c=d"])
def test_wrong_target_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="NAME=URL=MODEL"):
        Target.parse(text)
