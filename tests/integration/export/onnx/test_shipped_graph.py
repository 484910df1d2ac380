"""A new bundle that is built like a shipped one: its graph is that one's with other weights, and nothing is traced."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from tokenizers import Tokenizer

from export.onnx.shipped_graph import SHIPPED, TRACED_PREFIX, embedding_tensors, graph_like_shipped
from export.onnx.weights import Refs, read_tensors
from export.steps.graph import GraphStep
from export.steps.runner import make
from routerdc.bundle_io import load_bundle, load_head, save_bundle
from routerdc.model import RouterModel
from routerdc_contract.bundle import GRAPH_FOLDER, TOKENIZER_FILE, WEIGHTS_FILE, Manifest
from tests.integration.export.conftest import invoke

every_shipped_graph = pytest.mark.parametrize("shipped", [path.name for path in SHIPPED.glob("*")])


def like(shipped: Path, folder: Path) -> Path:
    """A bundle as if the recipe of `shipped` had been trained on other data, for longer queries."""
    manifest, model, tokenizer = load_bundle(shipped)
    generator = np.random.default_rng(0)
    for name, tensor in model.state_dict().items():
        if not name.startswith("encoder."):
            tensor += 0.1 * tensor.std() * generator.standard_normal(tensor.shape).astype(np.float32)
    save_bundle(
        folder,
        model,
        tokenizer,
        name="like a shipped one",
        encoder=manifest.encoder,
        llms=manifest.llms,
        max_tokens=manifest.tokenizer.max_tokens + 16,
        truncation_side=manifest.tokenizer.truncation_side,
    )
    return folder


def wider(shipped: Path, folder: Path) -> Path:
    """A bundle as if another recipe, or nobody's grades (`routerdc prior`), had made a head of its own width."""
    manifest, head = Manifest.read(shipped), load_head(shipped)
    config = dataclasses.replace(head.config, n_llms=2, dim=head.config.dim + 7, hidden=head.config.hidden + 5)
    torch.manual_seed(0)
    save_bundle(
        folder,
        RouterModel(torch.nn.Identity(), config),
        Tokenizer.from_file(str(shipped / TOKENIZER_FILE)),
        name="wider than a shipped one",
        encoder=manifest.encoder,
        llms=manifest.llms[:2],
        max_tokens=manifest.tokenizer.max_tokens,
        truncation_side=manifest.tokenizer.truncation_side,
    )
    return folder


@pytest.mark.parametrize("made", [like, wider])
@pytest.mark.parametrize("shipped", ["default", "reasoning"])
def test_its_answers_are_torchs_and_nothing_is_traced(
    shipped: str, made: Callable[[Path, Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the encoder was traced")

    bundle = made(SHIPPED / shipped, tmp_path / "bundle")
    monkeypatch.setattr("export.onnx.trace.trace", never)
    parity = make(GraphStep.of(bundle, traced=False)).parity
    assert parity is not None
    assert (parity.agreement, parity.max_embedding_error < 1e-5) == (1.0, True)


def test_the_step_that_is_named_traces_and_so_does_another_build(
    tiny_bundle: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TracedError(Exception):
        pass

    def traced(*_: object) -> None:
        raise TracedError

    monkeypatch.setattr("export.onnx.trace.trace", traced)
    with pytest.raises(TracedError):
        make(GraphStep.of(tiny_bundle("bert"), traced=False))
    bundle = like(SHIPPED / "default", tmp_path / "bundle")
    with pytest.raises(AssertionError):
        invoke("graph", "--bundle", bundle)


def test_fewer_layers_are_another_build(tmp_path: Path) -> None:
    assert graph_like_shipped(SHIPPED / "default") is None  # nothing but itself is like it
    assert graph_like_shipped(like(SHIPPED / "default", tmp_path / "same")) is not None
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "same", other)
    manifest = Manifest.read(other)
    encoder = manifest.encoder.model_copy(update={"layers": 3})
    Manifest.build(**{**manifest.model_dump(exclude={"bundle_id"}), "encoder": encoder.model_dump()}).write(other)
    assert graph_like_shipped(other) is None


@every_shipped_graph
def test_every_trained_tensor_is_known_in_it_by_name(shipped: str) -> None:
    """Tracing finds weights by content: no two may be alike, and none may hide under another name."""
    folder = SHIPPED / shipped
    tensors = read_tensors(folder / WEIGHTS_FILE)
    trained = set(embedding_tensors(list(tensors)))
    assert len({tensors[name].tobytes() for name in trained}) == len(trained)
    refs = Refs.validate_json((folder / GRAPH_FOLDER / "weights.json").read_bytes())
    kept = {one.name: numpy_helper.to_array(one) for one in graph(folder).graph.initializer}
    inside = {name.removeprefix(TRACED_PREFIX) for name in kept if name.startswith(TRACED_PREFIX)}
    assert {ref.tensor for ref in refs.values() if ref.source == "bundle"} | inside == trained
    constants = [array for name, array in kept.items() if not name.startswith(TRACED_PREFIX)]
    assert max(array.size for array in constants if array.dtype == np.float32) == 1


def graph(folder: Path) -> onnx.ModelProto:
    return onnx.load(folder / GRAPH_FOLDER / "encoder.onnx")
