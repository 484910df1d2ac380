"""int8, fp16 and bf16 against the fp32 engine on queries that nobody of us wrote."""

import random
from pathlib import Path

import pytest

from export.artefacts.files import answers_of
from export.domain.targets import Precision
from export.onnx.assemble import typed_answers_of, write_artefacts
from export.parity.compare import LIMITS, Answers, check, compare
from routerdc_contract.bundle import ENGINE_FOLDER, Manifest
from tests.support.data.public import ROUTERDC as DATA
from tests.support.real_triton import BUNDLE

N_QUERIES = 400


@pytest.fixture(scope="module")
def queries() -> list[str]:
    if not DATA.is_dir():
        pytest.skip(f"the paper's data sets are not at {DATA}")
    pytest.importorskip("torch", reason="the data are read by the training's code")
    from routerdc.data.loading import load_all

    folders = [DATA / "test_in_distribution", DATA / "test_out_of_distribution"]
    everything = sorted({query for dataset in load_all(folders) for query in dataset.queries})
    return random.Random(1).sample(everything, N_QUERIES)


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory, manifest: Manifest) -> Path:
    folder = tmp_path_factory.mktemp("fp32")
    write_artefacts(BUNDLE, folder)
    return folder


@pytest.fixture(scope="module")
def reference(fp32: Path, queries: list[str]) -> Answers:
    return answers_of(fp32, queries)


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8-gpu"])
def test_real_queries_get_the_same_choice_from_a_typed_engine(
    precision: Precision, reference: Answers, queries: list[str], manifest: Manifest, tmp_path: Path
) -> None:
    write_artefacts(BUNDLE, tmp_path, precision)
    parity = compare(reference, typed_answers_of(tmp_path, queries), manifest.scale)
    check(parity, LIMITS[precision], precision)
    assert parity.max_score_error > 1e-6  # something was rounded


def test_real_queries_get_the_same_choice_from_the_shipped_int8_engine(
    reference: Answers, queries: list[str], manifest: Manifest
) -> None:
    parity = compare(reference, answers_of(BUNDLE / ENGINE_FOLDER, queries), manifest.scale)
    check(parity, LIMITS["int8"], "int8")
