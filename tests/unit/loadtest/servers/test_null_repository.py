"""A repository whose engine costs nothing still is the model's own code."""

import json
import sys
from importlib import util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from loadtest.servers.null_repository import null_repository


def imported(path: Path) -> ModuleType:
    spec = util.spec_from_file_location("null_engine_copy", path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_copy_has_the_null_engine_and_accepts_its_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = tmp_path / "repository/routerdc/1"
    version.mkdir(parents=True)
    (version / "engines").mkdir()
    (version / "engines/onnxruntime_engine.py").write_text("class OnnxRuntimeEngine: ...\n")
    (version / "reference.json").write_text(json.dumps({"queries": ["x"], "scores": [[1.0]], "max_score_error": 0.01}))
    np.savez(version / "head.npz", llm_embeddings=np.ones((3, 4), np.float32))
    copy = null_repository(tmp_path / "repository", tmp_path) / "routerdc/1"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    engine = imported(copy / "engines/onnxruntime_engine.py").OnnxRuntimeEngine(copy / "encoder.onnx", 2)

    class Slice:
        input_ids = np.zeros((5, 7), np.int32)

    (embedding,) = engine.embed([Slice()])
    assert embedding.shape == (5, 4)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1)
    assert json.loads((copy / "reference.json").read_text())["max_score_error"] > 1e6
    assert json.loads((version / "reference.json").read_text())["max_score_error"] == 0.01
