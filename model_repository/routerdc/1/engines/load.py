"""Every engine by the name that config.pbtxt gives it; what one needs is imported only when it is chosen."""

from pathlib import Path

from settings import Settings

from engines.engine import Engine

ENGINE_FILE = "encoder.onnx"
PLAN_FILE = "model.plan"
IR_FILE = "encoder.xml"  # of OpenVINO; its weights are in encoder.bin


def load_engine(folder: Path, settings: Settings) -> Engine:
    """The engine that `settings` name, with the files in `folder`, a version of the model."""
    match settings.engine:
        case "triton":
            from engines.triton_engine import TritonEngine  # its imports exist inside Triton only

            return TritonEngine(version=int(folder.name))
        case "tensorrt-rtx":
            from engines.tensorrt_rtx_engine import TensorRtRtxEngine

            return TensorRtRtxEngine(folder / PLAN_FILE)
        case "onnxruntime-cuda":
            from engines.onnxruntime_cuda_engine import OnnxRuntimeCudaEngine

            return OnnxRuntimeCudaEngine(folder / ENGINE_FILE)
        case "openvino":
            from engines.openvino_engine import OpenVinoEngine

            return OpenVinoEngine(folder / IR_FILE, settings.engine_threads)
        case "onnxruntime":
            from engines.onnxruntime_engine import OnnxRuntimeEngine

            return OnnxRuntimeEngine(folder / ENGINE_FILE, settings.engine_threads)
