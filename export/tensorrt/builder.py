"""Builds a TensorRT plan from an ONNX graph with typed values, one way for both flavours.

    tensorrt       10.x and 11.x, for the backend of that name in Triton. Builds on the GPU that will run the plan
    tensorrt-rtx   TensorRT for RTX. Builds ahead of time, without any GPU, for compute capability 8.0 and later

Networks are strongly typed: precision stands in the graph (export.onnx.precision).
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from export.domain.errors import ExportError
from export.tensorrt.profiles import Profile, Shape
from routerdc_contract.tensors import ATTENTION_MASK, INPUT_IDS
from routerdc_contract.whole_file import write_whole

if TYPE_CHECKING:
    import onnx
    import tensorrt

Flavour = Literal["tensorrt", "tensorrt-rtx"]
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)
MODULES: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx_bindings"}
_INSTALL: dict[Flavour, str] = {
    "tensorrt": "run this step in NVIDIA's TensorRT or Triton container of the release that will serve",
    "tensorrt-rtx": "pip install -c constraints.txt 'routerdc-triton[tensorrt-rtx]'",
}
INPUTS = (INPUT_IDS, ATTENTION_MASK)


class Plan(NamedTuple):
    """A serialized engine, and what TensorRT warned of while it parsed and built."""

    engine: bytes
    warnings: tuple[str, ...]


def bindings(flavour: Flavour) -> Any:
    """The Python module of `flavour`.

    Raises:
        ExportError: it is not installed; the message says how to get it.
    """
    try:
        return import_module(MODULES[flavour])
    except ImportError as error:
        raise ExportError(f"--target {flavour}: {error}: {_INSTALL[flavour]}") from None


def build_plan(
    flavour: Flavour, graph: "onnx.ModelProto", shapes: Sequence[Profile], timing_cache: Path | None = None
) -> Plan:
    """The engine of `graph` with an optimization profile for each of `shapes`.

    `timing_cache` is read and written, so that a second build on the same GPU is quick and chooses the same kernels.
    TensorRT for RTX has none.

    Raises:
        ExportError: the flavour is not installed, the graph cannot be parsed, or the build fails; the message holds
            what TensorRT said.
    """
    builder, network, log = network_of(flavour, graph)
    config = builder.create_builder_config()
    for shape in shapes:
        _add_profile(builder, config, shape)
    if flavour == "tensorrt" and timing_cache:
        stored = timing_cache.read_bytes() if timing_cache.is_file() else b""
        config.set_timing_cache(config.create_timing_cache(stored), ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ExportError(f"{flavour} cannot build the engine: " + ("; ".join(log.messages) or "no reason given"))
    if flavour == "tensorrt" and timing_cache:
        write_whole(timing_cache, _bytes(config.get_timing_cache().serialize()))  # others may read it
    return Plan(_bytes(plan), tuple(log.messages))


class ParsedNetwork(NamedTuple):
    """A strongly typed network, the builder that owns it, and where TensorRT's messages go."""

    builder: "tensorrt.Builder"
    network: "tensorrt.INetworkDefinition"
    log: Any


def network_of(flavour: Flavour, graph: "onnx.ModelProto") -> ParsedNetwork:
    """`graph` as TensorRT understands it.

    Raises:
        ExportError: the flavour is not installed, or its parser refuses the graph; the message names the nodes.
    """
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = bindings(flavour)
    log = _log(MODULES[flavour])
    log.messages.clear()
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(trt.OnnxParser(network, log), graph)
    return ParsedNetwork(builder, network, log)


def trtexec(flavour: Flavour, onnx_file: str, plan_file: str, shapes: Sequence[Profile]) -> str:
    """The command line of the vendor's own tool that builds the same plan."""
    words = ["tensorrt_rtx"] if flavour == "tensorrt-rtx" else ["trtexec", "--stronglyTyped"]
    words += [f"--onnx={onnx_file}", f"--saveEngine={plan_file}", "--skipInference"]
    for i, profile in enumerate(shapes):
        words.append(f"--profile={i}")
        for option, shape in zip(("min", "opt", "max"), profile, strict=True):
            words.append(f"--{option}Shapes=" + ",".join(f"{name}:{shape.rows}x{shape.tokens}" for name in INPUTS))
    return " ".join(words)


def _parse(parser: "tensorrt.OnnxParser", graph: "onnx.ModelProto") -> None:
    if not parser.parse(graph.SerializeToString()):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        told = "; ".join(f"{error.node_operator()} {error.node_name()}: {error.desc()}" for error in errors)
        raise ExportError(f"TensorRT's parser refuses the graph: {told}")


def _add_profile(builder: "tensorrt.Builder", config: "tensorrt.IBuilderConfig", shapes: Profile) -> None:
    profile = builder.create_optimization_profile()
    for name in INPUTS:
        profile.set_shape(name, *(_dims(shape) for shape in shapes))
    if config.add_optimization_profile(profile) < 0:
        raise ExportError(f"TensorRT refuses the optimization profile {shapes}")


def _dims(shape: Shape) -> Any:
    return tuple(shape)  # the bindings turn it into their Dims


def _bytes(memory: "tensorrt.IHostMemory") -> bytes:
    buffer: Any = memory  # a buffer since the first release; the stubs do not say so
    return bytes(buffer)


@cache  # the first logger of a process is the one that TensorRT keeps
def _log(module: str) -> Any:
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = import_module(module)

    class Log(trt.ILogger):  # type: ignore[misc]  # Any, where the bindings are not installed
        """Collects warnings and errors."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.messages: list[str] = []

        def log(self, severity: "tensorrt.ILogger.Severity", msg: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR, trt.ILogger.WARNING):
                self.messages.append(msg)

    return Log()
