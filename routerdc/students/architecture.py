"""What a student looks like: a narrow BERT of few layers, or of none (static token embeddings, their mean).

All sizes are ordinary Transformers configurations, so that training, export and serving need not know a student from
any other encoder. A student without layers learns how much each token weighs, too: the layer norm shares one length
among all components, and those that the learned scale switches off take away from the others.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

LONGEST = 512
"""Positions that a student has, as many as its teacher; those beyond the texts it learned on say nothing (zeros)."""


@dataclass(frozen=True)
class Size:
    """`width` of the features; `layers` transformer layers with `heads` and `feed_forward` hidden units each."""

    width: int
    layers: int = 0
    heads: int = 4
    feed_forward: int = 0

    @property
    def name(self) -> str:
        """For folders and tables: static-128, narrow-128x1."""
        return f"narrow-{self.width}x{self.layers}" if self.layers else f"static-{self.width}"


def new_student(size: Size, vocabulary: Tensor, seed: int) -> nn.Module:
    """A student that begins with `vocabulary`, (vocab, ≥ width), cut to its principal components."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.feed_forward or size.width,
        max_position_embeddings=LONGEST,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    student: Any = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        student.embeddings.word_embeddings.weight.copy_(_principal(vocabulary, size.width))
        student.embeddings.position_embeddings.weight.zero_()
        student.embeddings.token_type_embeddings.weight.zero_()
    made: nn.Module = student
    return made


def _principal(vocabulary: Tensor, width: int) -> Tensor:
    centred = vocabulary - vocabulary.mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    components: Tensor = centred @ vectors[:, -width:]
    return components / components.std()
