"""What may be exported: who runs the encoder, in which precision, and which of the two go together."""

from typing import Literal, get_args

from export.domain.errors import ExportError

Precision = Literal["fp32", "fp16", "bf16", "int8", "int8-gpu"]
"""int8: for CPUs, all else in fp32; int8-gpu: for TensorRT, all else as in fp16"""
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
"""What may be asked for; the target says which int8"""
Target = Literal["onnxruntime", "openvino", "onnxruntime-cuda", "tensorrt", "tensorrt-rtx"]
TARGETS: tuple[Target, ...] = get_args(Target)

DEFAULT_PRECISION: dict[Target, Precision] = {
    "onnxruntime": "int8",
    "openvino": "int8",
    "onnxruntime-cuda": "fp32",
    "tensorrt": "fp16",
    "tensorrt-rtx": "fp16",
}
"""What a target computes in where nothing is asked for: the fastest that keeps 98.5 % of torch's choices with int8 on a
CPU, 99.5 % with fp16 on a GPU. An export that does not reach that share fails and names fp32."""
_REFUSED: dict[tuple[Target, Precision], str] = {
    ("onnxruntime", "bf16"): "ONNX Runtime lacks bf16 kernels: use int8, which is the fastest on a CPU, or fp32",
    ("openvino", "fp16"): "OpenVINO computes it in fp32 on a CPU: use int8, which is its fastest, or fp32",
    ("openvino", "bf16"): "slower and no closer than its int8: use int8, or fp32",
    ("onnxruntime-cuda", "bf16"): "ONNX Runtime lacks bf16 kernels: use fp16",
    ("onnxruntime-cuda", "int8"): "ONNX Runtime lacks int8 kernels for GPUs: use fp16, or int8 with TensorRT",
}


def precision_for(target: Target, precision: Precision | None) -> Precision:
    """`precision`, or the target's own where none was asked for.

    Raises:
        ExportError: the target cannot compute it; the message says what to use.
    """
    if precision is None:
        return DEFAULT_PRECISION[target]
    if reason := _REFUSED.get((target, precision)):
        raise ExportError(f"--target {target} --precision {precision}: {reason}")
    return "int8-gpu" if precision == "int8" and target in ("tensorrt", "tensorrt-rtx") else precision
