"""The gate on real engines of int8: near ties pass, and what int8 cannot resolve is refused with its remedy."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from export.artefacts.record import Record
from export.parity.compare import LIMITS
from export.parity.samples import sample_queries
from export.steps.graph import GraphStep
from export.steps.runner import make
from routerdc.model import RouterModel
from routerdc.tokenization import load_tokenizer
from routerdc_contract.bundle import ENGINE_FOLDER
from tests.integration.export.conftest import DEFAULT_BUNDLE, MAX_TOKENS, TinyBundle, invoke

Alter = Callable[[RouterModel], None]
INT8_TARGETS = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def altered_bundle(tiny_bundle: TinyBundle) -> Callable[[Alter, Path], Path]:
    """A traced bundle of a router that a function has altered, copied to a path."""

    @cache
    def traced(alter: Alter) -> Path:
        bundle = tiny_bundle("bert", alter)
        make(GraphStep.of(bundle))
        return bundle

    return lambda alter, copy: Path(shutil.copytree(traced(alter), copy))


def exported(bundle: Path, out: Path, target: str) -> tuple[int, str]:
    if target == "openvino":
        pytest.importorskip("openvino", reason="the extra openvino is not installed")
    return invoke("--bundle", bundle, "--out", out, "--target", target, "--precision", "int8")


def all_or_nothing(model: RouterModel) -> None:
    """The router looks at one thing alone, which hardly differs between queries: half of them have it, half do not.

    Near the middle the rounding of int8 decides, and turns the embedding round; that of fp32 does not.
    """
    for name, weights in model.encoder.named_parameters():
        if ".layer." in name and weights.dim() == 2:
            weights.mul_(20)  # as they come they do next to nothing, and so does their rounding
    tokenizer = load_tokenizer(DEFAULT_BUNDLE)
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(sample_queries())
    ids, mask = (torch.tensor([getattr(one, name) for one in encoded]) for name in ("ids", "attention_mask"))
    features = model.encode(ids, mask)
    directions = torch.linalg.svd(features - features.mean(dim=0), full_matrices=False).Vh
    least = directions[-2]  # what the last layer's normalisation makes constant is the last
    seen = features @ least
    layer = model.projection.first
    layer.weight.zero_()
    layer.bias.zero_()
    layer.weight[-1], layer.bias[-1] = least / seen.std(), -middle(seen) / seen.std()


def middle(values: torch.Tensor) -> torch.Tensor:
    """A value between those in the middle, as far from both its neighbours as there is one."""
    central = values.sort().values[len(values) // 2 - 12 :][:24]
    widest = int(central.diff().argmax())
    return central[widest : widest + 2].mean()


def nearly_one_llm(model: RouterModel) -> None:
    """The LLMs differ by less than int8 resolves, as where all of them answer everything."""
    all_or_nothing(model)
    layer = model.projection.first
    layer.weight.mul_(0.05)
    layer.bias.mul_(0.05)
    layer.bias[0] = 1.0  # what all queries have in common, and all LLMs
    model.llm_embeddings.mul_(0.03)
    model.llm_embeddings[:, 0] = 1.0


@pytest.mark.parametrize("target", INT8_TARGETS)
def test_llms_between_which_int8_cannot_choose_are_exported_in_int8(
    altered_bundle: Callable[[Alter, Path], Path], tmp_path: Path, target: str
) -> None:
    bundle = altered_bundle(nearly_one_llm, tmp_path / "bundle")
    code, output = exported(bundle, tmp_path / "out", target)
    assert code == 0, output
    assert " tied" in output
    parity = Record.read(tmp_path / "out/openvino" if target == "openvino" else bundle / ENGINE_FOLDER).parity
    assert parity is not None
    assert parity.agreement < LIMITS["int8"].agreement <= parity.agreement + parity.ties
    assert np.isfinite(parity.max_score_error)


@pytest.mark.parametrize("target", INT8_TARGETS)
def test_a_real_refusal_of_int8_names_the_precision_that_passes(
    altered_bundle: Callable[[Alter, Path], Path], tmp_path: Path, target: str
) -> None:
    bundle = altered_bundle(all_or_nothing, tmp_path / "bundle")
    code, output = exported(bundle, tmp_path / "int8", target)
    assert (code, output.count("Error: ")) == (1, 1), output
    assert "does not agree with torch" in output
    assert "use --precision fp32, which rounds nothing" in output
    assert invoke("--bundle", bundle, "--out", tmp_path / "fp32", "--target", target, "--precision", "fp32")[0] == 0
