"""endpoints.yaml changes under a running Envoy, under load: what is new is served, and no request fails."""

import asyncio
import json
import os
import sys
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from deploy.local.demo.endpoints import DemoEndpoint
from deploy.local.envoy import Envoy
from deploy.local.processes.process import ChildProcess
from tests.e2e.envoy_fixtures import RecordingEndpoint
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio
NAMES = ("alpha", "beta", "gamma")
HELLO: Any = [{"role": "user", "content": "hello"}]
ROUTERDC = Path(sys.executable).with_name("routerdc")


class Pool:
    """An endpoints.yaml whose LLMs are served."""

    def __init__(self, file: Path, llms: dict[str, RecordingEndpoint]) -> None:
        self._file, self._llms = file, llms

    def write(self, *names: str, served_by: dict[str, str] | None = None, **fields: Any) -> None:
        """`served_by`: another LLM's server, for some."""
        ports = {name: self._llms[(served_by or {}).get(name, name)].port for name in names}
        endpoints = {
            name: {"address": f"http://127.0.0.1:{port}/v1", "model": f"{name}/model"} | fields
            for name, port in ports.items()
        }
        llms = {name: {"endpoints": [endpoint]} for name, endpoint in endpoints.items()}
        draft = self._file.with_suffix(".draft")
        draft.write_text(yaml.safe_dump({"default": [names[0]], "llms": llms}, sort_keys=False))
        os.replace(draft, self._file)


async def running(stack: AsyncExitStack, folder: Path) -> tuple[Pool, openai.AsyncOpenAI, dict[str, RecordingEndpoint]]:
    llms = {name: RecordingEndpoint(DemoEndpoint(name)) for name in NAMES}
    for llm in llms.values():
        await llm.start(stack, None)
        llm.behave()
    pool, out = Pool(folder / "endpoints.yaml", llms), folder / "envoy.yaml"
    pool.write("alpha")
    flags = [f"--endpoints={folder / 'endpoints.yaml'}", f"--out={out}", f"--access-log={folder / 'access.log'}"]
    command = [str(ROUTERDC), "envoy-config", "--watch", *flags, "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"]
    watcher = ChildProcess("watcher", command, log=folder / "watcher.log")
    stack.callback(watcher.stop)
    await asyncio.to_thread(watcher.start)
    await asyncio.to_thread(watcher.wait_ready, out.is_file, 60)
    envoy = Envoy(out, log=folder / "envoy.log")
    stack.callback(envoy.stop)
    await asyncio.to_thread(envoy.start)
    client = openai.AsyncOpenAI(base_url=envoy.base_url, api_key="unused", max_retries=0, timeout=30)
    return pool, await stack.enter_async_context(client), llms


async def models(client: openai.AsyncOpenAI) -> list[str]:
    return [model.id async for model in client.models.list()]


async def test_changes_reach_a_running_envoy_and_no_request_fails(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        pool, client, llms = await running(stack, tmp_path)
        llms["alpha"].behave(chunk_delay_ms=400)
        answered: Counter[str] = Counter()
        done = asyncio.Event()

        async def load() -> None:
            while not done.is_set():
                answered[(await client.chat.completions.create(model="auto", messages=HELLO)).model] += 1
                await asyncio.sleep(0.01)

        async def stream() -> str:
            chunks = await client.chat.completions.create(model="alpha", messages=HELLO, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

        async with asyncio.TaskGroup() as group:
            streams = [group.create_task(stream()) for _ in range(5)]
            await until(lambda: len(llms["alpha"].received) >= 5)
            for _ in range(4):
                group.create_task(load())
            for names in (("alpha", "beta"), ("beta", "alpha"), ("beta",), ("gamma", "beta"), NAMES):
                pool.write(*names)
                await until(partial(_lists, client, names))
                await asyncio.sleep(0.3)
            pool.write("alpha", served_by={"alpha": "gamma"})
            await until(lambda: _lists(client, ("alpha",)))
            await asyncio.sleep(0.3)
            done.set()
        assert all("standing in for alpha" in task.result() for task in streams)
        assert answered.keys() == set(NAMES)
        last = await client.chat.completions.create(model="alpha", messages=HELLO)
        assert last.model == "gamma"  # that server's name for itself
        assert json.loads(llms["gamma"].received[-1].body)["model"] == "alpha/model"


async def _lists(client: openai.AsyncOpenAI, names: tuple[str, ...]) -> bool:
    return await models(client) == ["auto", *names]


async def test_llm_that_comes_later_has_its_key_and_takes_a_rotated_one(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-late\n")
    async with AsyncExitStack() as stack:
        pool, client, llms = await running(stack, tmp_path)
        pool.write("beta", api_key_file=str(tmp_path / "key"))
        await until(lambda: _lists(client, ("beta",)))
        await client.chat.completions.create(model="beta", messages=HELLO)
        assert llms["beta"].received[0].headers["Authorization"] == "Bearer sk-late"
        (tmp_path / "draft").write_text("sk-rotated\n")
        os.replace(tmp_path / "draft", tmp_path / "key")

        async def rotated() -> bool:
            await client.chat.completions.create(model="beta", messages=HELLO)
            return llms["beta"].received[-1].headers["Authorization"] == "Bearer sk-rotated"

        await until(rotated)


async def test_broken_file_changes_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        pool, client, _ = await running(stack, tmp_path)
        (tmp_path / "endpoints.yaml").write_text("default: [nobody")
        await until(lambda: "Not used" in (tmp_path / "watcher.log").read_text())
        assert await models(client) == ["auto", "alpha"]
        pool.write("beta")
        await until(lambda: _lists(client, ("beta",)))
