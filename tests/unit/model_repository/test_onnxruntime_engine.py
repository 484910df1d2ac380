"""ONNX Runtime behind the engine's seam."""

from pathlib import Path

import pytest
from onnxruntime_engine import OnnxRuntimeEngine


def test_a_provider_that_is_not_installed_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no NoSuchExecutionProvider: install onnxruntime-gpu in its place"):
        OnnxRuntimeEngine(tmp_path / "encoder.onnx", 1, "NoSuchExecutionProvider")
