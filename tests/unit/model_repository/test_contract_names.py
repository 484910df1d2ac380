"""The model's files may not import the contract, so that they repeat its names is checked here."""

import ast
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import head
import neighbours
import pipeline
import pytest
import queries
import reference
from engines import engine, load
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from export.artefacts import files
from export.parity import reference as export_reference
from export.tensorrt.profiles import profiles
from routerdc_contract import bundle, tensors

CONFIG = Path(__file__).parents[3] / "model_repository/routerdc/config.pbtxt"
ENCODER_CONFIG = CONFIG.parents[1] / tensors.ENCODER_MODEL / "config.pbtxt"


def test_tensor_names_are_the_contracts() -> None:
    assert queries.FIELD == tensors.QUERY
    assert (engine.INPUT_IDS, engine.ATTENTION_MASK, engine.EMBEDDING) == (
        tensors.INPUT_IDS,
        tensors.ATTENTION_MASK,
        tensors.EMBEDDING,
    )


def test_artefact_names_are_the_ones_export_writes() -> None:
    assert (load.ENGINE_FILE, pipeline.HEAD_FILE, pipeline.TOKENIZER_FILE, pipeline.ROUTER_FILE) == (
        files.ENGINE_FILE,
        files.HEAD_FILE,
        bundle.TOKENIZER_FILE,
        files.ROUTER_FILE,
    )
    assert neighbours.NEIGHBOURS_FILE == bundle.NEIGHBOURS_FILE
    assert (head.LLM_EMBEDDINGS, head.LLM_BIAS) == files.HEAD_TENSORS
    assert (head.ANCHORS, head.GATE, head.PRIOR) == files.FAMILIARITY_TENSORS


def test_reference_answers_lie_where_export_writes_them() -> None:
    assert reference.REFERENCE_FILE == export_reference.REFERENCE_FILE


def test_the_configuration_declares_the_contracts_tensors() -> None:
    config = text_format.Parse(CONFIG.read_text(encoding="utf-8"), ModelConfig())
    declared = {tensor.name: (DataType.Name(tensor.data_type), list(tensor.dims)) for tensor in config.output}
    assert config.name == tensors.ROUTER_MODEL
    assert [(tensor.name, list(tensor.dims)) for tensor in config.input] == [(tensors.QUERY, [1])]
    assert declared == {
        tensors.CHOICE: ("TYPE_INT32", [1]),
        tensors.SCORES: ("TYPE_FP32", [-1]),
        tensors.TOKEN_COUNT: ("TYPE_INT32", [1]),
        tensors.TRUNCATED: ("TYPE_BOOL", [1]),
        tensors.EMBEDDING: ("TYPE_FP32", [-1]),
        tensors.FAMILIARITY: ("TYPE_FP32", [1]),
        tensors.NEIGHBOURS: ("TYPE_STRING", [1]),
        tensors.QUERY_CRC32: ("TYPE_UINT32", [1]),
        tensors.BUNDLE_ID: ("TYPE_STRING", [1]),
    }


def test_the_encoders_configuration_declares_the_contracts_tensors() -> None:
    config = text_format.Parse(ENCODER_CONFIG.read_text(encoding="utf-8"), ModelConfig())
    declared = {tensor.name: DataType.Name(tensor.data_type) for tensor in [*config.input, *config.output]}
    assert (config.name, config.backend, config.max_batch_size) == (tensors.ENCODER_MODEL, "tensorrt", 0)
    assert declared == {
        tensors.INPUT_IDS: "TYPE_INT32",
        tensors.ATTENTION_MASK: "TYPE_INT32",
        tensors.EMBEDDING: "TYPE_FP32",
    }
    assert all(list(tensor.dims) == [-1, -1] for tensor in [*config.input, *config.output])


def test_the_encoders_instances_have_every_profile_of_the_shipped_limit() -> None:
    config = text_format.Parse(ENCODER_CONFIG.read_text(encoding="utf-8"), ModelConfig())
    limit = bundle.Manifest.read(CONFIG.parents[2] / "bundles/default").tokenizer.max_tokens
    (group,) = config.instance_group
    assert list(group.profile) == [str(i) for i in range(len(profiles(limit)))]


def test_the_model_calls_the_encoder_by_the_contracts_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", ModuleType("triton_python_backend_utils"))
    assert import_module("engines.triton_engine").ENCODER_MODEL == tensors.ENCODER_MODEL


def test_the_model_imports_only_what_its_container_has() -> None:
    folder = CONFIG.parent / "1"
    code = sorted(folder.rglob("*.py"))
    siblings = {path.relative_to(folder).parts[0].removesuffix(".py") for path in code}
    runtimes = {"onnxruntime", "openvino", "tensorrt_rtx_bindings", "cuda"}  # each imported by its engine alone
    installed = {"nanotoken", "numpy", "tokenizers", "triton_python_backend_utils"}
    allowed = {*installed, *runtimes, *siblings, *sys.stdlib_module_names}
    imported = {
        name.split(".")[0]
        for path in code
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported <= allowed
