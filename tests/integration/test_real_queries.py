"""Triton against torch on queries that nobody of us wrote."""

import random
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient

from contract.bundle import Manifest
from contract.tensors import CHOICE, SCORES
from tests.integration.conftest import BUNDLE
from tests.integration.kserve import infer

DATA = Path(__file__).parents[3] / "shared/data/routerdc"
N_QUERIES, BATCH = 512, 64


@pytest.fixture(scope="module")
def queries() -> list[str]:
    if not DATA.is_dir():
        pytest.skip(f"the paper's data sets are not at {DATA}")
    from routerdc.data import load_all

    folders = [DATA / "test_in_distribution", DATA / "test_out_of_distribution"]
    everything = sorted({query for dataset in load_all(folders) for query in dataset.queries})
    return random.Random(0).sample(everything, N_QUERIES)


def test_triton_chooses_as_torch_does_on_real_queries(
    client: InferenceServerClient, manifest: Manifest, queries: list[str]
) -> None:
    pytest.importorskip("torch", reason="torch is the reference")
    from routerdc.router import Router

    reference = Router.load(BUNDLE).score(queries)
    batches = [infer(client, *queries[start : start + BATCH]) for start in range(0, N_QUERIES, BATCH)]
    choice = np.concatenate([answer.as_numpy(CHOICE)[:, 0] for answer in batches])
    scores = np.concatenate([answer.as_numpy(SCORES) for answer in batches])
    np.testing.assert_array_equal(choice, reference.argmax(axis=1))
    np.testing.assert_allclose(scores, reference, atol=1e-4 * manifest.scale)
