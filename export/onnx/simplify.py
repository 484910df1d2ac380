"""Rewrites of a traced graph, weights included, that change no answer: less to compute, and clearer to an engine."""

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from export.onnx.precision import value_types


def simplify(model: onnx.ModelProto) -> None:
    """Changes `model` in place: no nodes on constants alone, no guards against NaN that cannot come."""
    fold_constants(model)
    drop_nan_guards(model)


def fold_constants(model: onnx.ModelProto) -> None:
    """Computes every node that depends on weights only, and puts its result in its place.

    DeBERTa projects its table of relative positions again in every layer and every call: 14.5 GFLOP for
    mDeBERTa-v3-base, more than a query of 64 tokens.
    """
    constant = {tensor.name for tensor in model.graph.initializer}
    folded: list[NodeProto] = []
    for node in model.graph.node:
        if constant.issuperset(name for name in node.input if name):
            folded.append(node)
            constant.update(node.output)
    left = [node for node in model.graph.node if not constant.issuperset(node.output)]
    needed = {name for node in left for name in node.input}
    results = sorted(needed.intersection(name for node in folded for name in node.output if name))
    values = _computed(model, folded, results) if results else []
    del model.graph.node[:]
    model.graph.node.extend(left)
    weights = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del model.graph.initializer[:]
    model.graph.initializer.extend([*weights, *values])


def drop_nan_guards(model: onnx.ModelProto) -> None:
    """Lets the readers of Where(IsNaN(p), 0, p), with p a softmax, read p itself.

    The tracer guards against rows without any key. Here the mask is the smallest finite number, so such a row gives no
    NaN; and the guard keeps TensorRT from recognising attention (TensorRT for RTX 1.7.1 fails on it in fp16).
    """
    if any(np.isinf(numpy_helper.to_array(t)).any() for t in model.graph.initializer if t.data_type == t.FLOAT):
        return
    makers = {name: node for node in model.graph.node for name in node.output}
    guarded = {
        node.output[0]: node.input[2]
        for node in model.graph.node
        if node.op_type == "Where" and _is_guard(node, makers)
    }
    tests = {makers[node.input[0]].output[0] for name, node in makers.items() if name in guarded}
    left = [node for node in model.graph.node if not (guarded.keys() | tests).intersection(node.output)]
    for node in left:
        node.input[:] = [guarded.get(name, name) for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend(left)


def _is_guard(where: NodeProto, makers: dict[str, NodeProto]) -> bool:
    test, kept = makers.get(where.input[0]), makers.get(where.input[2])
    return (
        test is not None
        and kept is not None
        and (test.op_type, kept.op_type) == ("IsNaN", "Softmax")
        and test.input[0] == where.input[2]
    )


def _computed(model: onnx.ModelProto, nodes: list[NodeProto], results: list[str]) -> list[onnx.TensorProto]:
    import onnxruntime

    types = value_types(model)
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "constants",
        [],
        [helper.make_tensor_value_info(name, types[name], None) for name in results],
        [tensor for tensor in model.graph.initializer if tensor.name in used],
    )
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    session = onnxruntime.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])
    return [numpy_helper.from_array(array, name) for name, array in zip(results, session.run(results, {}), strict=True)]
