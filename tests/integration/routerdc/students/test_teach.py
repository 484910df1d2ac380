"""The teacher's vocabulary, and the student that is shipped."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from routerdc.students.architecture import Size
from routerdc.students.distil import Effort
from routerdc.students.teach import teach, vocabulary_features
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.preparation.encoding import encode
from routerdc.training.preparation.features import FeatureCache
from routerdc.training.recipe import load_recipe

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(28))]
RECIPE = load_recipe("default").encoder


def teacher() -> Encoder:
    """A tiny encoder with a word-level tokenizer."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    model: Any = BertModel(config, add_pooling_layer=False)
    model.eval()
    features = FeatureCache(lambda queries: encode(model, tokenizer, queries, RECIPE, "cpu"), None)
    spec: Any = None
    return Encoder(spec, lambda: model, 16, tokenizer, features)


def test_a_tokens_features_are_those_of_the_token_alone() -> None:
    plain = teacher()
    expected = plain.features(["w0", "w5"])
    np.testing.assert_allclose(vocabulary_features(plain)[[4, 9]], expected, atol=1e-6)


def test_a_tokenizer_that_pads_changes_nothing() -> None:
    plain, padding = teacher(), teacher()
    padding.tokenizer.enable_padding(length=64)
    np.testing.assert_array_equal(vocabulary_features(padding), vocabulary_features(plain))


def test_every_size_gets_a_folder_that_a_recipe_can_name(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS[4:], 6)) for _ in range(60)]
    sizes = [(Size(8), Effort(epochs=1, rate=1e-2)), (Size(8, layers=1, heads=2), Effort(epochs=1, rate=1e-3))]
    taught = list(teach(teacher(), RECIPE, texts, sizes, tmp_path, seed=0))
    assert [one.folder.name for one in taught] == ["static-8", "narrow-8x1"]
    for one in taught:
        sources = (f"path:{one.folder}",)
        student = open_encoder(RECIPE.model_copy(update={"sources": sources, "layers": None}), cache=None)
        assert student.features(texts[:3]).shape == (3, 8)
