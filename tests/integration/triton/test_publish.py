"""`routerdc publish` to a real tritonserver that is being asked all the time, directly and through the gateway."""

import asyncio
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tritonclient.grpc.aio import InferenceServerClient

from deploy.local.stack import ROUTERDC
from deploy.local.triton.server import TritonServer
from export.triton.config import parameter, read_config
from gateway.app.server import serving
from gateway.config import settings
from routerdc_client import AsyncRouterClient
from routerdc_contract.bundle import Manifest
from routerdc_contract.tensors import BUNDLE_ID, CHOICE, PARAMETER_LLMS, ROUTER_MODEL
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.kserve import query_input
from tests.support.real_triton import BUNDLE
from tests.support.waiting import until

CALLERS = 3  # of each kind
PAUSE_SECONDS = 0.01  # of a caller between two queries: without it they would take both cores from what they wait for
DEADLINE_MS = 60_000.0

Break = Callable[[Path], None]


@dataclass
class Pool:
    """A bundle as exported: what it must answer to which query."""

    repository: Path
    bundle_id: str = ""
    llms: tuple[str, ...] = ()
    choices: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        version = self.repository / ROUTER_MODEL / "1"
        reference = json.loads((version / "reference.json").read_text(encoding="utf-8"))
        self.bundle_id = json.loads((version / "router.json").read_text(encoding="utf-8"))["bundle_id"]
        self.llms = tuple(json.loads(parameter(read_config(version.parent), PARAMETER_LLMS)))
        scores = np.array(reference["scores"])
        clear = np.diff(np.sort(scores, axis=1)[:, -2:], axis=1)[:, 0] > 0.03  # int8 feels its batch a little
        columns = zip(reference["queries"], scores.argmax(axis=1), clear, strict=True)
        self.choices = {query: int(choice) for query, choice, kept in columns if kept}


async def run(*arguments: str | Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        str(ROUTERDC), *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.fixture(scope="module")
def pool(model_repository: Path) -> Pool:
    """The shipped bundle."""
    return Pool(model_repository)


@pytest.fixture(scope="module")
def smaller(tmp_path_factory: pytest.TempPathFactory, manifest: Manifest) -> Pool:
    """The shipped bundle without its last LLM, made by the commands that people use."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("smaller")

    async def make() -> None:
        bundle = folder / "bundle"
        made = await run("pool", "remove", manifest.llm_names[-1], "--bundle", BUNDLE, "--out", bundle)
        exported = await run("export", "--bundle", bundle, "--out", folder)
        assert (made[0], exported[0]) == (0, 0), made[1] + exported[1]

    asyncio.run(make())
    return Pool(folder / "model_repository")


@pytest.fixture
def live(pool: Pool, tmp_path: Path) -> Path:
    """The repository that the server loads from."""
    return Path(shutil.copytree(pool.repository, tmp_path / "live", copy_function=os.link))


@pytest.fixture
def server(live: Path, triton_platform: None, tmp_path: Path) -> Iterator[TritonServer]:
    """Serving the shipped bundle."""
    with TritonServer(live, log=tmp_path / "triton.log") as server:
        yield server


def write_endpoints(path: Path, llms: tuple[str, ...]) -> None:
    served = {name: {"endpoints": [{"address": f"http://{name}.test/v1", "model": name}]} for name in llms}
    draft = path.with_name("draft.yaml")
    draft.write_text(yaml.safe_dump({"default": [llms[2]], "llms": served}), encoding="utf-8")
    draft.replace(path)


@dataclass
class Traffic:
    """What callers were told since the start; every answer has been held against its bundle's own choice."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """by (way, bundle id)"""

    async def more(self, *bundle_ids: str, answers: int = 20) -> None:
        """Waits for so many more answers of each of `bundle_ids`, both ways."""
        wanted = {(way, i): self.answers[way, i] + answers for way in ("triton", "gateway") for i in bundle_ids}
        await until(lambda: all(self.answers[key] >= number for key, number in wanted.items()), seconds=60)


@asynccontextmanager
async def traffic(server: TritonServer, endpoints_file: Path, *pools: Pool) -> AsyncIterator[Traffic]:
    """Callers that ask all the time while the block runs; the first failure, or wrong answer, ends it."""
    known = {pool.bundle_id: pool for pool in pools}
    queries = sorted(set.intersection(*(set(pool.choices) for pool in pools)))
    seen, done = Traffic(), asyncio.Event()

    async def ask_triton(client: InferenceServerClient, offset: int) -> None:
        for i in range(offset, 10**9):
            if done.is_set():
                return
            query = queries[i % len(queries)]
            answer = await client.infer(ROUTER_MODEL, [query_input(query)], client_timeout=DEADLINE_MS / 1000)
            bundle_id = answer.as_numpy(BUNDLE_ID)[0, 0].decode()
            assert answer.as_numpy(CHOICE)[0, 0] == known[bundle_id].choices[query]
            seen.answers["triton", bundle_id] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def ask_gateway(router: AsyncRouterClient, offset: int) -> None:
        for i in range(offset, 10**9):
            if done.is_set():
                return
            query = queries[i % len(queries)]
            answer = await router.route(query, deadline_ms=DEADLINE_MS)
            pool = known[answer.bundle_id]
            assert (answer.reason, answer.llm) == (pb.REASON_ROUTED, pool.llms[pool.choices[query]])
            seen.answers["gateway", answer.bundle_id] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    flags: dict[str, Any] = {"port": 0, "metrics_port": 0, "cache_entries": 0, "deadline_ms": DEADLINE_MS}
    flags |= {"reload_interval_seconds": 0.1, "endpoints_file": endpoints_file, "triton_address": server.grpc_address}
    async with (
        serving(settings.load(None, flags)) as ports,
        AsyncRouterClient(f"127.0.0.1:{ports.grpc}") as router,
        InferenceServerClient(server.grpc_address) as client,
        asyncio.TaskGroup() as group,
    ):
        for i in range(CALLERS):
            group.create_task(ask_triton(client, 7 * i))
            group.create_task(ask_gateway(router, 7 * i + 3))
        yield seen
        done.set()


async def publish(source: Path, live: Path, server: TritonServer) -> tuple[int, str]:
    return await run("publish", source, "--repository", live, "--triton-address", server.grpc_address)


async def test_an_llm_leaves_and_joins_under_load_without_a_failed_request(
    server: TritonServer, live: Path, pool: Pool, smaller: Pool, tmp_path: Path
) -> None:
    endpoints_file = tmp_path / "endpoints.yaml"
    write_endpoints(endpoints_file, pool.llms)
    async with traffic(server, endpoints_file, pool, smaller) as seen:
        await seen.more(pool.bundle_id)
        status, told = await publish(smaller.repository, live, server)
        assert (status, told.splitlines()) == (
            0,
            [
                f"bundle {smaller.bundle_id} serves as version 2 at {server.grpc_address}",
                f"no longer scored: {pool.llms[-1]}: they may leave endpoints.yaml now",
            ],
        )
        before = seen.answers["triton", pool.bundle_id], seen.answers["gateway", pool.bundle_id]
        write_endpoints(endpoints_file, smaller.llms)
        await seen.more(smaller.bundle_id)
        after = seen.answers["triton", pool.bundle_id], seen.answers["gateway", pool.bundle_id]
        assert np.subtract(after, before).max() <= CALLERS  # what was under way when it changed over
        write_endpoints(endpoints_file, pool.llms)
        await asyncio.sleep(1)  # the gateway looks ten times a second
        status, told = await publish(pool.repository, live, server)
        assert status == 0, told
        await seen.more(pool.bundle_id)
    assert sorted(path.name for path in (live / ROUTER_MODEL).iterdir() if path.is_dir()) == ["2", "3"]
    await until(server.is_ready, seconds=30)


def break_answers(repository: Path) -> None:
    """Swaps two LLMs' columns: loads and answers, only wrongly."""
    path = repository / ROUTER_MODEL / "1/head.npz"
    arrays = dict(np.load(path))
    path.unlink()  # a link to the exported one
    np.savez(path, **{name: array[::-1].copy() for name, array in arrays.items()})


def break_engine(repository: Path) -> None:
    """Half a file, as from a copy that was cut short."""
    path = repository / ROUTER_MODEL / "1/encoder.onnx"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def break_numbers(repository: Path) -> None:
    """NaN in the weights."""
    path = repository / ROUTER_MODEL / "1/encoder.weights"
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(b"\xff" * size)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_answers, "scores of the reference queries are off by"),
        (break_engine, "ModelProto|[Pp]rotobuf"),
        (break_numbers, "NaN or infinity"),
    ],
)
async def test_a_broken_version_is_rolled_back_under_load_without_a_failed_request(
    server: TritonServer, live: Path, pool: Pool, tmp_path: Path, damage: Break, message: str
) -> None:
    broken = Path(shutil.copytree(pool.repository, tmp_path / "broken", copy_function=os.link))
    damage(broken)
    endpoints_file = tmp_path / "endpoints.yaml"
    write_endpoints(endpoints_file, pool.llms)
    config = (live / ROUTER_MODEL / "config.pbtxt").read_bytes()
    async with traffic(server, endpoints_file, pool) as seen:
        await seen.more(pool.bundle_id)
        status, told = await publish(broken, live, server)
        await seen.more(pool.bundle_id)
        assert status == 1
        assert told.startswith(f"Error: Triton at {server.grpc_address}: load failed for model 'routerdc'")
        assert "version 1 serves as before" in told
        assert re.search(message, told), told
    await until(server.is_ready, seconds=30)
    assert (live / ROUTER_MODEL / "config.pbtxt").read_bytes() == config


async def test_a_triton_that_does_not_answer_stops_the_change_before_it_begins(live: Path, smaller: Pool) -> None:
    status, told = await run("publish", smaller.repository, "--repository", live, "--triton-address", "127.0.0.1:1")
    assert status == 1
    assert "Triton at 127.0.0.1:1" in told
    assert [path.name for path in (live / ROUTER_MODEL).iterdir() if path.is_dir()] == ["1"]
