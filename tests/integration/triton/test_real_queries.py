"""Triton on queries that nobody of us wrote: the engine's own choice every time, torch's nearly every time."""

import random

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient

from export.artefacts.files import answers_of
from export.parity.compare import LIMITS
from routerdc_contract.bundle import ENGINE_FOLDER, Manifest
from routerdc_contract.tensors import CHOICE, SCORES
from tests.support.data.public import ROUTERDC, needs_routerdc
from tests.support.kserve import infer
from tests.support.real_triton import BUNDLE

N_QUERIES, BATCH = 512, 64


@pytest.fixture(scope="module")
def queries() -> list[str]:
    from routerdc.data.loading import load_all

    folders = [ROUTERDC / "test_in_distribution", ROUTERDC / "test_out_of_distribution"]
    everything = sorted({query for dataset in load_all(folders) for query in dataset.queries})
    return random.Random(0).sample(everything, N_QUERIES)


@needs_routerdc
def test_triton_chooses_as_its_engine_does_and_nearly_always_as_torch_does(
    client: InferenceServerClient, manifest: Manifest, queries: list[str]
) -> None:
    pytest.importorskip("torch", reason="torch is the reference")
    from routerdc.loaded_bundle import Router

    batches = [infer(client, *queries[start : start + BATCH]) for start in range(0, N_QUERIES, BATCH)]
    choice = np.concatenate([answer.as_numpy(CHOICE)[:, 0] for answer in batches])
    scores = np.concatenate([answer.as_numpy(SCORES) for answer in batches])
    engine = answers_of(BUNDLE / ENGINE_FOLDER, queries)
    np.testing.assert_array_equal(choice, engine.scores.argmax(axis=1))
    np.testing.assert_allclose(scores, engine.scores, atol=1e-4 * manifest.scale)

    torch_scores = Router.load(BUNDLE).score(queries)
    agreement = float((choice == torch_scores.argmax(axis=1)).mean())
    print(f"{N_QUERIES} queries: 100 % the engine's choice, {agreement:.2%} that of torch in fp32")
    assert agreement >= LIMITS["int8"].agreement
    assert np.abs(scores - torch_scores).max() <= LIMITS["int8"].score_error * manifest.scale
