"""What may not be exported: answers that are no numbers, that depend on their batch, or that are worth less."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.artefacts.files import HEAD_FILE
from export.artefacts.record import Record
from export.domain.errors import ParityError
from export.parity.compare import FP32, LIMITS, Parity, check
from export.parity.scored_queries import RealParity, check_real
from export.steps.engine import EngineStep
from export.steps.repository import RepositoryStep
from export.steps.runner import make
from routerdc_contract.bundle import ENGINE_FOLDER, Manifest
from tests.integration.export.conftest import invoke

GOOD = Parity(
    queries=9,
    agreement=1.0,
    max_score_error=0.0,
    max_embedding_error=0.0,
    token_count_differences=0,
    max_batch_error=1e-7,
)
REAL = RealParity(queries=2000, agreement=0.99, max_score_error=0.02, quality_of_torch=55.0, quality=54.9)


@pytest.fixture
def scored(bundle: Path, tmp_path: Path) -> Path:
    """A data set of queries, scored for the bundle's LLMs."""
    names = Manifest.read(bundle).llm_names
    questions = ["What is 12 times 7?", "Who wrote Faust?", "下列哪一项是哺乳动物？", "def reverse(values): "] * 5
    rows = [
        {"question": f"{question} ({i})", "scores": {name: float((i + j) % 2) for j, name in enumerate(names)}}
        for i, question in enumerate(questions)
    ]
    path = tmp_path / "scored.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_answers_that_are_no_numbers_fail_the_export(bundle: Path, tmp_path: Path) -> None:
    engine = tmp_path / "engine"
    make(EngineStep(bundle, engine))
    with np.load(engine / HEAD_FILE) as head:
        arrays = dict(head)
    arrays["llm_embeddings"][0, 0] = np.nan
    np.savez(engine / HEAD_FILE, **arrays)
    with pytest.raises(ParityError, match="NaN or infinity"):
        make(RepositoryStep(bundle, tmp_path / "repository", engine))
    assert not (tmp_path / "repository").exists()


def test_answers_that_depend_on_their_batch_fail_the_export() -> None:
    check(GOOD, FP32, "engine")
    with pytest.raises(ParityError, match=r"score error 3\.00e-02 beside a long query, allowed 1\.00e-02"):
        check(replace(GOOD, max_batch_error=0.03), LIMITS["int8"], "engine")
    with pytest.raises(ParityError, match="beside a long query"):
        check(replace(GOOD, max_batch_error=float("nan")), FP32, "engine")


def test_every_engine_is_asked_alone_and_beside_a_long_query(bundle: Path, tmp_path: Path) -> None:
    for precision in ("fp32", "fp16", "int8"):
        parity = make(EngineStep(bundle, tmp_path / precision, precision)).parity
        assert parity is not None
        assert parity.max_batch_error is not None
        assert parity.max_batch_error <= LIMITS[precision].batch_error


def test_choices_that_differ_too_often_or_are_worth_less_fail_the_export() -> None:
    limits = LIMITS["int8"]
    check_real(REAL, limits, "engine")
    with pytest.raises(ParityError, match=r"2000 real queries: argmax agreement 98\.40%, needed 98\.50%"):
        check_real(replace(REAL, agreement=0.984), limits, "engine")
    with pytest.raises(ParityError, match=r"choices worth 54\.70 %, those of torch 55\.00 %"):
        check_real(replace(REAL, quality=54.7), limits, "engine")


def test_the_users_own_queries_are_compared_and_the_result_recorded(bundle: Path, scored: Path, tmp_path: Path) -> None:
    code, output = invoke("engine", "--bundle", bundle, "--out", tmp_path, "--precision", "fp32", "--queries", scored)
    assert code == 0, output
    real = Record.read(tmp_path / "engine").real_queries
    assert real is not None
    assert (real.queries, real.agreement, real.quality) == (20, 1.0, real.quality_of_torch)


def test_an_engine_that_fails_on_them_does_not_replace_the_old_one(
    bundle: Path, scored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(EngineStep(bundle, bundle / ENGINE_FOLDER, "int8"))
    before = Record.read(bundle / ENGINE_FOLDER)
    monkeypatch.setattr("export.parity.scored_queries.QUALITY_LOSS", -100.0)
    code, output = invoke("engine", "--bundle", bundle, "--queries", scored)
    assert (code, "real queries: choices worth" in output) == (1, True)
    assert Record.read(bundle / ENGINE_FOLDER) == before


def test_a_file_without_scores_is_an_error_of_one_line(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "no_data.json"
    path.write_text("[]")
    code, output = invoke("engine", "--bundle", bundle, "--out", tmp_path, "--precision", "fp32", "--queries", path)
    assert (code, "--queries: " in output) == (1, True)
