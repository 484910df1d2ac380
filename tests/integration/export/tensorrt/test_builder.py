"""Real builds with TensorRT for RTX, which needs no GPU to build: every architecture and the shipped bundle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from export.artefacts.files import ENGINE_FILE
from export.domain.errors import ExportError
from export.domain.targets import Precision
from export.onnx.assemble import write_artefacts
from export.onnx.calibration import calibrate
from export.onnx.precision import to_precision
from export.onnx.quantization import to_int8
from export.onnx.simplify import simplify
from export.tensorrt.builder import bindings, build_plan, network_of, trtexec
from export.tensorrt.profiles import Profile, Shape, profiles
from routerdc_contract.bundle import Manifest
from routerdc_contract.tensors import ATTENTION_MASK, EMBEDDING, INPUT_IDS
from tests.integration.export.conftest import DEFAULT_BUNDLE, ENCODERS, MAX_TOKENS

trt = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX has no wheel for this platform")

TYPED: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8-gpu")
EncoderGraph = Callable[[str], onnx.ModelProto]
RANDOM = np.random.default_rng(3)
ROWS = [RANDOM.integers(1000, 30000, size=length, dtype=np.int32) for length in range(2, MAX_TOKENS)]


@pytest.fixture(scope="session")
def shipped_graph(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    folder = tmp_path_factory.mktemp("shipped")
    write_artefacts(DEFAULT_BUNDLE, folder)
    return onnx.load(folder / ENGINE_FILE)


def typed(graph: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    simplify(copy)
    return rounded(copy, precision)


def rounded(graph: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    if precision == "int8-gpu":
        graph = to_int8(graph, calibrate(graph, ROWS), for_gpu=True)
    return to_precision(graph, precision)


@pytest.mark.parametrize("precision", TYPED)
@pytest.mark.parametrize("architecture", ENCODERS)
def test_every_architecture_builds_without_a_warning(
    architecture: str, precision: Precision, encoder_graph: EncoderGraph
) -> None:
    plan = build_plan("tensorrt-rtx", typed(encoder_graph(architecture), precision), profiles(MAX_TOKENS))
    assert plan.warnings == ()
    assert len(plan.engine) > 1_000_000


@pytest.mark.parametrize("precision", TYPED)
def test_the_shipped_bundle_builds_with_every_bucket(precision: Precision, shipped_graph: onnx.ModelProto) -> None:
    shapes = profiles(Manifest.read(DEFAULT_BUNDLE).tokenizer.max_tokens)
    plan = build_plan("tensorrt-rtx", rounded(shipped_graph, precision), shapes)
    assert plan.warnings == ()
    weights_mb = {"fp32": 76, "fp16": 38, "bf16": 38, "int8-gpu": 30}[precision]
    assert weights_mb * 1e6 < len(plan.engine) < 2 * weights_mb * 1e6


@pytest.mark.parametrize("precision", TYPED)
@pytest.mark.parametrize("architecture", ENCODERS)
def test_the_network_has_the_contracts_inputs_and_output(
    architecture: str, precision: Precision, encoder_graph: EncoderGraph
) -> None:
    network = network_of("tensorrt-rtx", typed(encoder_graph(architecture), precision)).network
    tensors = [network.get_input(i) for i in range(network.num_inputs)]
    tensors += [network.get_output(i) for i in range(network.num_outputs)]
    assert [(tensor.name, tensor.dtype, tuple(tensor.shape)) for tensor in tensors] == [
        (INPUT_IDS, trt.int32, (-1, -1)),
        (ATTENTION_MASK, trt.int32, (-1, -1)),
        (EMBEDDING, trt.float32, (-1, 16)),
    ]


def test_a_node_that_tensorrt_does_not_know_is_named(encoder_graph: EncoderGraph) -> None:
    graph = typed(encoder_graph("bert"), "fp32")
    next(node for node in graph.graph.node if node.op_type == "Softmax").CopyFrom(
        helper.make_node("NoSuchOperator", ["val_115"], ["val_116"], name="the_odd_one")
    )
    with pytest.raises(ExportError, match=r"NoSuchOperator the_odd_one"):
        build_plan("tensorrt-rtx", graph, profiles(MAX_TOKENS))


def test_types_that_contradict_each_other_are_refused(encoder_graph: EncoderGraph) -> None:
    graph = typed(encoder_graph("bert"), "fp16")
    cast = next(node for node in graph.graph.node if node.name.startswith("cast_") and node.output[0].endswith("float"))
    cast.op_type = "Identity"
    del cast.attribute[:]
    with pytest.raises(ExportError):
        build_plan("tensorrt-rtx", graph, profiles(MAX_TOKENS))


def test_a_profile_that_contradicts_itself_is_refused(encoder_graph: EncoderGraph) -> None:
    upside_down = Profile(Shape(8, 16), Shape(4, 16), Shape(2, 16))
    with pytest.raises((ExportError, ValueError)):
        build_plan("tensorrt-rtx", typed(encoder_graph("bert"), "fp32"), [upside_down])


def test_the_vendors_command_line_has_every_profile() -> None:
    line = trtexec("tensorrt", "encoder.onnx", "model.plan", profiles(64))
    assert line.startswith("trtexec --stronglyTyped --onnx=encoder.onnx --saveEngine=model.plan")
    assert "--profile=1 --minShapes=input_ids:1x33,attention_mask:1x33 --optShapes=input_ids:64x64," in line
    assert (line.count("--minShapes"), line.count("--maxShapes")) == (2, 2)


def test_without_tensorrt_the_message_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="NVIDIA's TensorRT or Triton container"):
        bindings("tensorrt")
