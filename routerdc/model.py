"""The router's model, whole: encoder → pooled features → projection → unit embedding → cosine with the LLM embeddings.

    scores[i, j] = scale * cos(embedding_i, llm_embeddings_j) + llm_bias_j        (RouterDC, section 3.1, plus the bias)

A router that knows how familiar a query is (`Familiarity`) leaves its prior only as far as the query is familiar:

    scores[i, j] = prior_j + familiarity_i * (scores[i, j] - prior_j)

Any Hugging Face encoder serves (BERT/MiniLM, DeBERTa-v2/v3, XLM-R, ModernBERT, …), whole or only its first layers.
This module does not know text, tokenizers, files of a bundle, losses or how the model is trained.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cli.importing import importing

Pooling = Literal["cls", "mean"]
LLM_EMBEDDING_STD = 0.78  # RouterDC's own initialisation
HALF = 0.5**0.5
"""Length of route and place within an embedding of length 1."""


@dataclass(frozen=True)
class RouterConfig:
    """Shape of a `RouterModel`.

    `projection`: "none" (the embedding is the pooled vector itself, as published), "linear", or "mlp" (one hidden layer
    of `hidden` units with GELU).
    """

    n_llms: int
    features: int
    dim: int
    projection: Literal["none", "linear", "mlp"] = "none"
    hidden: int = 0
    pooling: Pooling = "cls"
    scale: float = 1.0
    place: int = 0
    """components of the query's place among the training queries, the last of `dim`; 0: familiarity is not known"""
    anchors: int = 0
    """training queries' centroids that the place is compared with"""

    def __post_init__(self) -> None:
        """Raises ValueError where two fields contradict each other."""
        if self.projection == "none" and self.route != self.features:
            raise ValueError(f"dim: without a projection it is the encoder's width, {self.features}, not {self.route}")
        if bool(self.place) != bool(self.anchors):
            raise ValueError(f"place: {self.place} components do not go with {self.anchors} anchors")
        if (self.projection == "mlp") != (self.hidden > 0):
            raise ValueError(f"hidden: {self.hidden} does not go with the projection {self.projection!r}")

    @property
    def route(self) -> int:
        """Components of the embedding that the projection makes, the first of `dim`."""
        return self.dim - self.place


class Projection(nn.Module):
    """Pooled features (batch, features) → (batch, route), not yet of unit length; see `RouterConfig.projection`."""

    def __init__(self, config: RouterConfig) -> None:
        super().__init__()
        self.inner = nn.Linear(config.features, config.hidden) if config.projection == "mlp" else None
        self.outer = nn.Linear(config.hidden or config.features, config.route) if config.projection != "none" else None

    @property
    def first(self) -> nn.Linear:
        """The layer that sees the features.

        Raises:
            ValueError: there is no projection.
        """
        if (layer := self.inner or self.outer) is None:
            raise ValueError("projection: none")
        return layer

    def forward(self, features: Tensor) -> Tensor:
        """Projects `features`: (batch, encoder_dim) to (batch, dim)."""
        if self.inner is not None:
            features = F.gelu(self.inner(features))
        return features if self.outer is None else cast(Tensor, self.outer(features))


class Familiarity(nn.Module):
    """How near a query lies to the training queries, in [0, 1], and what to believe of a query that does not.

    The place of a query is the unit vector of its features' principal components. Its cosine with the nearest of the
    `anchors` (n_anchors, dim; zero where the embedding is not the place) is compared with `gate` (low, high):
    familiarity rises from 0 to 1 between them. `prior`: (n_llms,) scores of a query of which nothing is known.
    """

    anchors: Tensor
    gate: Tensor
    prior: Tensor

    def __init__(self, config: RouterConfig) -> None:
        super().__init__()
        self.place = nn.Linear(config.features, config.place)
        self.register_buffer("anchors", torch.zeros(config.anchors, config.dim))
        self.register_buffer("gate", torch.tensor([0.0, 1.0]))
        self.register_buffer("prior", torch.zeros(config.n_llms))
        self.requires_grad_(False)

    def forward(self, embedding: Tensor) -> Tensor:
        """Familiarity, (batch,), of unit embeddings (batch, dim)."""
        nearest = (embedding @ self.anchors.T).amax(dim=1)
        low, high = self.gate
        return cast(Tensor, ((nearest - low) / (high - low)).clamp(0, 1))


class RouterModel(nn.Module):
    """Encoder, projection and LLM embeddings. `llm_embeddings`: (n_llms, dim); `llm_bias`: (n_llms,).

    With a `familiarity` the embedding is two unit vectors over √2, route and place, side by side.
    """

    def __init__(self, encoder: nn.Module, config: RouterConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projection = Projection(config)
        self.llm_embeddings = nn.Parameter(torch.randn(config.n_llms, config.dim) * LLM_EMBEDDING_STD)
        self.llm_bias = nn.Parameter(torch.zeros(config.n_llms))
        self.familiarity = Familiarity(config) if config.place else None

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Scores, (batch, n_llms) float32."""
        return self.score(self.embed(input_ids, attention_mask))

    def embed(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Query embeddings, (batch, dim) float32, of unit length; both inputs are (batch, sequence) integers."""
        return self.project(self.encode(input_ids, attention_mask))

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Pooled hidden states, (batch, features) float32. Padding (mask 0) changes nothing."""
        hidden = self.encoder(
            input_ids=input_ids.long(), attention_mask=attention_mask.long()
        ).last_hidden_state.float()
        return pool(hidden, attention_mask, self.config.pooling)

    def project(self, features: Tensor) -> Tensor:
        """Unit embeddings, (batch, dim), of pooled features (batch, features)."""
        route = F.normalize(self.projection(features), dim=-1)
        if self.familiarity is None:
            return route
        place = F.normalize(self.familiarity.place(features), dim=-1)
        return torch.cat([route, place], dim=-1) * HALF

    def score(self, embedding: Tensor) -> Tensor:
        """Scores, (batch, n_llms), of unit embeddings (batch, dim)."""
        scores = self.config.scale * embedding @ F.normalize(self.llm_embeddings, dim=-1).T + self.llm_bias
        if self.familiarity is None:
            return scores
        prior = self.familiarity.prior
        return cast(Tensor, prior + self.familiarity(embedding).unsqueeze(-1) * (scores - prior))


def pool(hidden: Tensor, attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """(batch, sequence, width) → (batch, width): the first token, or the mean over the tokens that are not padding."""
    if pooling == "cls":
        return hidden[:, 0]
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1)


def load_encoder(folder: Path, layers: int | None = None) -> nn.Module:
    """The pretrained encoder in `folder`, cut to its first `layers` transformer layers (None: all), in eval mode."""
    with importing():  # much of it at the first call of each class
        from transformers import AutoConfig, AutoModel
        from transformers.utils.logging import disable_progress_bar, set_verbosity_error

        disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for 0.1 s of reading hides those that matter
        set_verbosity_error()  # type: ignore[no-untyped-call]  # and so does the list of layers left out on purpose
        config = AutoConfig.from_pretrained(folder)
        if layers is not None:
            keep_layers(config, layers)
        encoder = AutoModel.from_pretrained(folder, config=config, dtype=torch.float32)
    if hasattr(encoder, "pooler"):
        encoder.pooler = None  # a head for next-sentence prediction: never used here
    return cast(nn.Module, encoder.eval())


def keep_layers(config: Any, layers: int) -> None:
    """Makes a transformers configuration describe only its first `layers` layers.

    Raises:
        ValueError: the encoder has fewer.
    """
    if layers > config.num_hidden_layers:
        raise ValueError(f"layers: {layers} asked for, the encoder has {config.num_hidden_layers}")
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None) is not None:  # one entry a layer (ModernBERT)
        config.layer_types = config.layer_types[:layers]
