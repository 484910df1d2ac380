"""Copies of ONNX nodes and models with something changed: what every rewriting of a graph is made of."""

import onnx
from onnx import NodeProto


def renamed(node: NodeProto, inputs: dict[str, str], outputs: dict[str, str]) -> NodeProto:
    """A copy of `node` with other names where `inputs` and `outputs` have one."""
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = [inputs.get(name, name) for name in node.input]
    copy.output[:] = [outputs.get(name, name) for name in node.output]
    return copy


def emptied(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` without nodes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:], copy.graph.value_info[:]
    return copy
