"""Every engine by the name that config.pbtxt gives it; what one needs is imported only when it is chosen."""

from pathlib import Path

from engine import Engine
from settings import Settings

ENGINE_FILE = "encoder.onnx"

_PROVIDERS = {"onnxruntime": "CPUExecutionProvider", "onnxruntime-cuda": "CUDAExecutionProvider"}


def load_engine(folder: Path, settings: Settings) -> Engine:
    """The engine that `settings` name, with the files in `folder`, a version of the model."""
    if settings.engine == "triton":
        from triton_engine import TritonEngine  # its imports exist inside Triton only

        return TritonEngine(version=int(folder.name))
    from onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(folder / ENGINE_FILE, settings.engine_threads, _PROVIDERS[settings.engine])
