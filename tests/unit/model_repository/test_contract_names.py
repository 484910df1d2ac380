"""The model's files may not import the contract, so that they repeat its names is checked here."""

import ast
import sys
from pathlib import Path

import engine
import head
import pipeline
import queries
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from contract import bundle, tensors
from export import engine as export_engine

CONFIG = Path(__file__).parents[3] / "model_repository/routerdc/config.pbtxt"


def test_tensor_names_are_the_contracts() -> None:
    assert queries.FIELD == tensors.QUERY
    assert (engine.INPUT_IDS, engine.ATTENTION_MASK, engine.EMBEDDING) == (
        tensors.INPUT_IDS,
        tensors.ATTENTION_MASK,
        tensors.EMBEDDING,
    )


def test_artefact_names_are_the_ones_export_writes() -> None:
    assert (pipeline.ENGINE_FILE, pipeline.HEAD_FILE, pipeline.TOKENIZER_FILE, pipeline.ROUTER_FILE) == (
        export_engine.ENGINE_FILE,
        export_engine.HEAD_FILE,
        bundle.TOKENIZER_FILE,
        export_engine.ROUTER_FILE,
    )
    assert (head.LLM_EMBEDDINGS, head.LLM_BIAS) == export_engine.HEAD_TENSORS


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
        tensors.BUNDLE_ID: ("TYPE_STRING", [1]),
    }


def test_the_model_imports_only_what_its_container_has() -> None:
    code = sorted((CONFIG.parent / "1").glob("*.py"))
    siblings = {path.stem for path in code}
    allowed = {"numpy", "tokenizers", "onnxruntime", "triton_python_backend_utils", *siblings, *sys.stdlib_module_names}
    imported = {
        name.split(".")[0]
        for path in code
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported <= allowed
