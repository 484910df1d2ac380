"""A small real bundle: a tiny randomly initialised encoder on disk and a router trained on nothing."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoConfig, AutoModel

from export.artefacts.files import GRAPH_FILE, REFS_FILE
from export.command import export as export_command
from export.onnx.assemble import weight_files
from export.onnx.weights import Refs, put_back
from export.parity.token_ids import generated_texts
from export.steps.graph import GraphStep
from export.steps.runner import make
from routerdc.bundle_io import save_bundle
from routerdc.model import RouterConfig, RouterModel, load_encoder
from routerdc.tokenization import load_tokenizer
from routerdc_contract.bundle import GRAPH_FOLDER, EncoderSpec, LlmSpec, Manifest, file_sha256
from tests.support.shared import shared

DEFAULT_BUNDLE = Path(__file__).parents[3] / "bundles/default"
WIDTH, MAX_TOKENS = 32, 48
SIZES: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": WIDTH,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": {"max_position_embeddings": 64},
    "deberta-v2": {
        "max_position_embeddings": 64,
        "relative_attention": True,
        "position_buckets": 16,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
    "xlm-roberta": {"max_position_embeddings": 66, "pad_token_id": 1, "type_vocab_size": 1},
    "modernbert": {"max_position_embeddings": 64, "local_attention": 16, "pad_token_id": 0},
}
"""Transformers' model type → what its configuration needs besides `SIZES`, as the published encoders have it."""


TinyBundle = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    """Makes a bundle over a tiny encoder of the architecture asked for, after `alter` has changed its weights."""

    def make(architecture: str, alter: Callable[[RouterModel], None] = lambda model: None) -> Path:
        folder = tmp_path_factory.mktemp(architecture)
        torch.manual_seed(7)
        encoder_config = AutoConfig.for_model(architecture, **SIZES, **ENCODERS[architecture])
        build: Any = AutoModel.from_config
        build(encoder_config).save_pretrained(folder / "encoder")
        config = RouterConfig(n_llms=5, features=WIDTH, dim=16, projection="linear", pooling="mean", scale=4.0)
        encoder = EncoderSpec(
            name=f"tiny {architecture}",
            sources=(f"path:{folder / 'encoder'}",),
            weights_sha256=file_sha256(folder / "encoder/model.safetensors"),
            pooling="mean",
        )
        model = RouterModel(load_encoder(folder / "encoder"), config)
        with torch.no_grad():
            alter(model)
        save_bundle(
            folder / "bundle",
            model,
            load_tokenizer(DEFAULT_BUNDLE),
            name="tiny",
            encoder=encoder,
            llms=[LlmSpec(name=f"llm-{i}") for i in range(5)],
            max_tokens=MAX_TOKENS,
            truncation_side="left",
        )
        return folder / "bundle"

    return make


@pytest.fixture(scope="session")
def traced_bundle(tiny_bundle: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny bundle of the architecture asked for, with its graph. Copy it to change it."""

    def of(architecture: str) -> Path:
        def trace(folder: Path) -> None:
            bundle = tiny_bundle(architecture)
            make(GraphStep.of(bundle))
            shutil.copytree(bundle, folder / "bundle")

        return shared(tmp_path_factory, f"traced-{architecture}", trace) / "bundle"

    return of


@pytest.fixture(scope="session")
def traced(traced_bundle: Callable[[str], Path]) -> Path:
    """That of a tiny BERT."""
    return traced_bundle("bert")


@pytest.fixture
def bundle(traced: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copytree(traced, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture(scope="session")
def encoder_graph(traced_bundle: Callable[[str], Path]) -> Callable[[str], onnx.ModelProto]:
    """The fp32 graph, with its weights, of a tiny encoder of the architecture asked for. Copy it to change it."""

    @cache
    def whole(architecture: str) -> onnx.ModelProto:
        bundle = traced_bundle(architecture)
        graph = onnx.load(bundle / GRAPH_FOLDER / GRAPH_FILE)
        refs = Refs.validate_json((bundle / GRAPH_FOLDER / REFS_FILE).read_bytes())
        put_back(graph, refs, weight_files(bundle, Manifest.read(bundle)))
        return graph

    return whole


@pytest.fixture(scope="module", autouse=True)
def few_generated_texts() -> Iterator[None]:
    """Token ids of 60 texts are compared; those of all, where tests/support/real_triton.py makes a repository."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export.steps.repository.generated_texts", lambda: generated_texts(60))
        yield


def invoke(*arguments: str | Path) -> tuple[int, str]:
    """`routerdc export` with `arguments`: exit code and output."""
    result = CliRunner().invoke(export_command, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output
