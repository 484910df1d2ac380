"""Tiny things to train with: an encoder of two layers with random weights, and data with two kinds of queries."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from routerdc.data.dataset import Dataset, Metric
from routerdc.training.recipe import Recipe, load_recipe

KINDS = ["add", "sum", "plus", "code", "print", "def"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *KINDS, *(f"w{i}" for i in range(40))]


def tiny_encoder(folder: Path, architecture: str = "bert") -> Path:
    """Saves a random encoder (width 16, 2 layers) with its tokenizer, as `save_pretrained` would."""
    from transformers import AutoConfig, AutoModel

    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    extras: dict[str, dict[str, Any]] = {
        "bert": {},
        "xlm-roberta": {"pad_token_id": 1, "max_position_embeddings": 80},
        "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
        "modernbert": {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
    }
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        architecture, vocab_size=len(WORDS), **small, **extras[architecture], initializer_range=0.3
    )
    AutoModel.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def tiny_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def tiny_datasets(rows: int = 60, seed: int = 0) -> list[Dataset]:
    """Sums, which the LLM `adder` answers, and code, which `coder` answers; `idler` answers one in four of both."""
    generator = np.random.default_rng(seed)

    def dataset(name: str, words: list[str], best: int) -> Dataset:
        queries = [" ".join([*generator.choice(words, 6), generator.choice(WORDS[10:])]) for _ in range(rows)]
        chance = np.full((rows, 3), 0.25)
        chance[:, best] = 0.9
        scores = (generator.random((rows, 3)) < chance).astype(np.float32)
        return Dataset(name, tuple(queries), ("adder", "coder", "idler"), scores, metric=Metric.PASS_RATE)

    return [dataset("sums", ["add", "sum"], 0), dataset("code", ["code", "print"], 1)]


def write_datasets(folder: Path, datasets: list[Dataset]) -> None:
    """Writes each data set as NAME.json into a new folder, as `routerdc train` reads it."""
    folder.mkdir()
    for dataset in datasets:
        rows = [
            {"question": query, "scores": dict(zip(dataset.llms, map(float, row), strict=True))}
            for query, row in zip(dataset.queries, dataset.scores, strict=True)
        ]
        (folder / f"{dataset.name}.json").write_text(json.dumps(rows))


SETTLED: dict[str, dict[str, Any]] = {
    "head": {"hidden": 8, "dim": 8, "familiarity": False},
    "data": {"smoothing": (3.0, 10.0), "n_clusters": 8},
}
"""Nothing is left to be chosen by cross-validation, so that one training is one training."""


def tiny_recipe(encoder: Path, name: str = "default", **changes: dict[str, Any]) -> Recipe:
    """A shipped recipe over the tiny encoder, few steps."""
    fields: dict[str, dict[str, Any]] = {
        "encoder": {"name": "tiny", "sources": (f"path:{encoder}",), "layers": 2, "max_tokens": 16},
        "optimizer": {"steps": 80, "batch_size": 32, "feature_noise": 0.0},
        **(SETTLED if name == "default" else {}),
    }
    for section, values in changes.items():
        fields[section] = {**fields.get(section, {}), **values}
    return load_recipe(name).changed(**fields)
