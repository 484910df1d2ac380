"""From training queries in a bundle, through export and a real tritonserver, to the gateway."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tritonclient.grpc import InferenceServerClient

from deploy.local.triton.server import TritonServer
from export.command import export
from gateway.domain.scorer import Neighbours
from gateway.scoring.triton.balancer import TritonBalancer
from gateway.scoring.triton.scorer import TritonScorer
from routerdc.bundle_io import add_neighbours
from routerdc.data.dataset import Dataset
from routerdc.loaded_bundle import Router
from routerdc.training.neighbours import SHOWN_CHARACTERS, neighbours_of
from routerdc_contract.bundle import Manifest
from routerdc_contract.tensors import EMBEDDING, NEIGHBOURS, ROUTER_MODEL
from tests.support.kserve import infer
from tests.support.real_triton import BUNDLE

SUM = "A bakery sells 36 loaves in the morning and half as many in the afternoon. How many loaves in all?"
LONG = "Write a Python function that sorts a list of numbers. " * 10
GRADED = Dataset(
    "made up",
    (SUM, "Which organ pumps blood through the human body? A. Liver B. Heart C. Lung", LONG),
    ("mistralai/Mistral-7B-v0.1", "一个/模型"),
    np.array([[1, 0], [0.25, np.nan], [0, 1]], np.float32),
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped one with three graded queries in it."""
    folder = tmp_path_factory.mktemp("neighbours") / "bundle"
    shutil.copytree(BUNDLE, folder)
    add_neighbours(folder, neighbours_of(Router.load(folder), [GRADED], 10, seed=0))
    return folder


@pytest.fixture(scope="module")
def server(bundle: Path, triton_platform: None) -> Iterator[TritonServer]:
    """Running, with what `routerdc export` makes of it."""
    result = CliRunner().invoke(export, ["--bundle", str(bundle), "--out", str(bundle.parent)])
    assert result.exit_code == 0, result.output
    with TritonServer(bundle.parent / "model_repository", log=bundle.parent / "triton.log") as server:
        yield server


async def neighbours(server: TritonServer, query: str) -> Neighbours | None:
    """As the gateway asks."""

    async def addresses() -> list[str]:
        return [server.grpc_address]

    async with TritonBalancer(addresses, partial(TritonScorer, timeout_seconds=30), patience_seconds=30) as tritons:
        assert await tritons.neighbours(query) is None, "no Triton has been found yet"
        await tritons.probe()
        return await tritons.neighbours(query)


async def test_the_nearest_graded_query_comes_first_in_the_space_that_decides(
    server: TritonServer, bundle: Path
) -> None:
    found = await neighbours(server, f"{SUM} ")
    assert found is not None
    assert found.bundle_id == Manifest.read(bundle).bundle_id
    assert found.nearest[0].query == SUM
    assert {near.query: near.grades for near in found.nearest} == {
        SUM: {"mistralai/Mistral-7B-v0.1": 1.0, "一个/模型": 0.0},
        GRADED.queries[1]: {"mistralai/Mistral-7B-v0.1": 0.25},
        LONG[:SHOWN_CHARACTERS]: {"mistralai/Mistral-7B-v0.1": 0.0, "一个/模型": 1.0},
    }
    with InferenceServerClient(server.grpc_address) as client:
        ours, *theirs = [infer(client, q, outputs=[EMBEDDING]).as_numpy(EMBEDDING)[0] for q in (SUM, *GRADED.queries)]
    cosines = dict(zip([SUM, GRADED.queries[1], LONG[:SHOWN_CHARACTERS]], [ours @ one for one in theirs], strict=True))
    for near in found.nearest:  # the bundle has them as torch gives them, this is the exported engine
        assert near.similarity == pytest.approx(cosines[near.query], abs=0.05)


async def test_a_batch_gets_neighbours_row_by_row(server: TritonServer) -> None:
    with InferenceServerClient(server.grpc_address) as client:
        rows = infer(client, SUM, LONG, outputs=[NEIGHBOURS]).as_numpy(NEIGHBOURS)
    assert rows.shape == (2, 1)
    assert [row[0].decode().startswith(f'[{{"query": "{q[:40]}') for row, q in zip(rows, (SUM, LONG), strict=True)] == [
        True,
        True,
    ]


async def test_a_bundle_without_them_has_no_such_output(triton: TritonServer, client: InferenceServerClient) -> None:
    outputs = client.get_model_config(ROUTER_MODEL).config.output
    assert NEIGHBOURS not in {output.name for output in outputs}
    assert await neighbours(triton, SUM) is None
