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
from gateway.config import endpoints_file
from gateway.config.groups import Deadlines, Limits, OpenAi
from gateway.limits.query_budget import QueryBudget
from gateway.openai.bodies.reader import Reader
from gateway.openai.routing import Routing
from gateway.pool.pool import Pool as GatewayPool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from gateway.telemetry.metrics import Metrics
from tests.e2e.envoy_fixtures import RecordingEndpoint, start_gateway
from tests.support.fakes.scorer import FakeScorer
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio
NAMES = ("alpha", "beta", "gamma")
HELLO: Any = [{"role": "user", "content": "hello"}]
ROUTERDC = Path(sys.executable).with_name("routerdc")


class Pool:
    """An endpoints.yaml whose LLMs are served."""

    def __init__(self, file: Path, llms: dict[str, RecordingEndpoint]) -> None:
        self._file, self._llms = file, llms

    def write(self, *names: str, served_by: dict[str, str] | None = None, twice: bool = False, **fields: Any) -> None:
        """`served_by`: another LLM's server, for some; `twice`: each LLM has a second endpoint with another model."""
        ports = {name: self._llms[(served_by or {}).get(name, name)].port for name in names}
        endpoints = {
            name: {"address": f"http://127.0.0.1:{port}/v1", "model": f"{name}/model"} | fields
            for name, port in ports.items()
        }
        others = {
            name: [endpoint | {"model": f"{name}/other"}] if twice else [] for name, endpoint in endpoints.items()
        }
        self.put({name: [endpoint, *others[name]] for name, endpoint in endpoints.items()})

    def put(self, endpoints: dict[str, list[dict[str, Any]]]) -> None:
        """`endpoints` by LLM, of which the first is the default."""
        llms = {name: {"endpoints": of_llm} for name, of_llm in endpoints.items()}
        draft = self._file.with_suffix(".draft")
        draft.write_text(yaml.safe_dump({"default": [next(iter(llms))], "llms": llms}, sort_keys=False))
        os.replace(draft, self._file)


class Decides:
    """A gateway that takes a change of endpoints.yaml when it is told to."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.scorer = FakeScorer()
        self._pool = PoolRef(GatewayPool(endpoints_file.read(file)))

    def look(self) -> None:
        """Reads the file."""
        self._pool.current = GatewayPool(endpoints_file.read(self._file))

    async def start(self, stack: AsyncExitStack) -> int:
        """Its port."""
        reader = await stack.enter_async_context(Reader())
        router = Router(self._pool, self.scorer, QueryBudget(100, 0.05))
        routing = Routing(router, Metrics(), OpenAi(), Limits(), Deadlines(deadline_ms=5000), reader=reader)
        return (await start_gateway(stack, routing))[1]


async def running(
    stack: AsyncExitStack, folder: Path, *names: str, port: int | None = None
) -> tuple[Pool, openai.AsyncOpenAI, dict[str, RecordingEndpoint]]:
    """Envoy with `names` in its file; `port`: of the gateway."""
    llms = {name: RecordingEndpoint(DemoEndpoint(name)) for name in NAMES}
    for llm in llms.values():
        await llm.start(stack, None)
        llm.behave()
    pool, out = Pool(folder / "endpoints.yaml", llms), folder / "envoy.yaml"
    pool.write(*(names or ("alpha",)))
    flags = [f"--gateway=localhost:{port}"] if port else []
    flags += [f"--endpoints={folder / 'endpoints.yaml'}", f"--out={out}", f"--access-log={folder / 'access.log'}"]
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


@pytest.mark.parametrize("first", ["gateway", "envoy"])
async def test_a_gateway_and_envoy_take_a_change_one_after_the_other_and_no_request_fails(
    tmp_path: Path, first: str
) -> None:
    async with AsyncExitStack() as stack:
        file = tmp_path / "endpoints.yaml"
        Pool(file, {name: RecordingEndpoint(DemoEndpoint(name), port=1) for name in NAMES}).write(*NAMES)
        gateway = Decides(file)
        pool, client, llms = await running(stack, tmp_path, *NAMES, port=await gateway.start(stack))
        gateway.look()
        reasons: Counter[str] = Counter()
        done = asyncio.Event()
        for number, llm in enumerate(NAMES):
            gateway.scorer.values[f"query {number}"] = tuple(float(name == llm) for name in NAMES)

        async def load(number: int) -> None:
            messages: Any = [{"role": "user", "content": f"query {number}"}]
            while not done.is_set():
                raw = await client.chat.completions.with_raw_response.create(model="auto", messages=messages)
                reasons[raw.headers["x-routerdc-reason"]] += 1
                await asyncio.sleep(0.01)

        def models_reached() -> set[str]:
            return {json.loads(one.body)["model"] for llm in llms.values() for one in llm.received}

        async with asyncio.TaskGroup() as group:
            for number in range(len(NAMES)):
                group.create_task(load(number))
            for change in ({"twice": True}, {}, {"model": "new"}, {"served_by": {"beta": "gamma"}}, {"twice": True}):
                pool.write(*NAMES, **change)
                if first == "envoy":
                    await asyncio.sleep(1)
                gateway.look()
                await asyncio.sleep(1)
            every = {f"{name}/{kind}" for name in NAMES for kind in ("model", "other")} | {"new"}
            await until(lambda: models_reached() == every, 30)
            done.set()
        assert reasons["routed"]


async def test_a_key_or_model_never_reaches_another_server_however_endpoints_change_places(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        pool, client, llms = await running(stack, tmp_path)
        for name in NAMES:
            (tmp_path / name).write_text(f"sk-{name}")

        def endpoint(name: str) -> dict[str, Any]:
            address = f"http://127.0.0.1:{llms[name].port}/v1"
            return {"address": address, "model": f"model-{name}", "api_key_file": str(tmp_path / name)}

        async def load() -> None:
            while not done.is_set():
                await client.chat.completions.create(model="alpha", messages=HELLO)

        done = asyncio.Event()
        pool.put({"alpha": [endpoint("alpha")]})
        await until(lambda: _answered(client, llms["alpha"]))
        for llm in llms.values():
            llm.received.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(load())
            for names in (("beta",), ("alpha", "beta"), ("beta", "alpha"), ("gamma", "beta", "alpha"), ("alpha",)):
                pool.put({"alpha": [endpoint(name) for name in names]})
                await until(partial(_gets_more, llms[names[0]]))
                await asyncio.sleep(0.3)
            done.set()
        seen = {
            name: {(r.headers["Authorization"], json.loads(r.body)["model"]) for r in llms[name].received}
            for name in NAMES
        }
        assert seen == {name: {(f"Bearer sk-{name}", f"model-{name}")} for name in NAMES}


async def _answered(client: openai.AsyncOpenAI, llm: RecordingEndpoint) -> bool:
    await client.chat.completions.create(model="alpha", messages=HELLO)
    return any("Authorization" in one.headers for one in llm.received)


async def _gets_more(llm: RecordingEndpoint) -> bool:
    before = len(llm.received)
    await asyncio.sleep(0.05)
    return len(llm.received) > before


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
