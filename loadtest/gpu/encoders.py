"""Encoders with random weights, as large as the real ones: speed depends on shapes alone."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TOKENIZER = Path(__file__).parents[2] / "bundles/default/tokenizer.json"
_VOCABULARY = 30522  # of that tokenizer; a larger table costs memory, not time
_BUCKETS = 256  # relative positions of DeBERTa, each way
_DEBERTA: dict[str, Any] = {
    "relative_attention": True,
    "position_buckets": _BUCKETS,
    "pos_att_type": ["p2c", "c2p"],
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_biased_input": False,
    "type_vocab_size": 0,
    "max_relative_positions": -1,
}


@dataclass(frozen=True, slots=True)
class Encoder:
    """An architecture and its size."""

    name: str
    model_type: str
    layers: int
    width: int
    heads: int
    inner: int

    def write(self, folder: Path) -> None:
        """Weights, configuration and tokenizer, as Transformers saves them."""
        import torch
        from transformers import AutoConfig, AutoModel

        torch.manual_seed(0)
        sizes = {
            "vocab_size": _VOCABULARY,
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.inner,
            "max_position_embeddings": 512,
        }
        config = AutoConfig.for_model(self.model_type, **sizes, **(_DEBERTA if self._is_deberta else {}))
        build: Any = AutoModel.from_config
        build(config).save_pretrained(folder)
        shutil.copyfile(_TOKENIZER, folder / _TOKENIZER.name)

    def flops(self, rows: int, tokens: int) -> float:
        """Of one pass over `rows` full rows: matrix products alone, two for each multiplication and addition."""
        dense = 8 * self.width**2 + 4 * self.width * self.inner
        attention = 4 * tokens * self.width
        if self._is_deberta:  # query against positions, and key against positions
            attention += 2 * 2 * min(2 * _BUCKETS, 2 * tokens) * self.width
        return float(rows * tokens * self.layers * (dense + attention))

    @property
    def _is_deberta(self) -> bool:
        return self.model_type == "deberta-v2"


FULL = (
    Encoder("MiniLM", "bert", layers=6, width=384, heads=12, inner=1536),
    Encoder("mDeBERTa-sized", "deberta-v2", layers=12, width=768, heads=12, inner=3072),
)
SMOKE = (
    Encoder("MiniLM", "bert", layers=1, width=32, heads=4, inner=64),
    Encoder("mDeBERTa-sized", "deberta-v2", layers=1, width=32, heads=4, inner=64),
)
