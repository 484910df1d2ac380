"""The shipped recogniser of domains: a small head over the router's own encoder, trained on public texts.

It embeds a query so that its domain's axis stands out; a prior's bundle is this embedding with LLM embeddings that say
what is believed of each LLM on each axis.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from torch import Tensor

from routerdc.model import Projection, RouterConfig
from routerdc.training.preparation.recipe_parts import EncoderRecipe

WEIGHTS = "recogniser.safetensors"
SHARPNESS = 12.0
"""Logit of a domain on whose axis an embedding lies, where probabilities are asked for."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recogniser:
    """`tensors`: those of a `Projection` onto one axis a domain; `encoder`: what it was trained on."""

    domains: tuple[str, ...]
    tensors: dict[str, Tensor]
    encoder: EncoderRecipe

    def probabilities(self, features: Floats) -> Floats:
        """P(domain), (n, n_domains), of frozen features (n, width)."""
        with torch.inference_mode():
            outputs = self.projection(extra=0)(torch.from_numpy(features))
            axes = torch.nn.functional.normalize(outputs, dim=-1)
            return (SHARPNESS * axes).softmax(dim=-1).numpy()

    def projection(self, extra: int) -> Projection:
        """The head, with `extra` axes on which every query is 0."""
        hidden, width = self.tensors["inner.weight"].shape
        dim = len(self.domains) + extra
        head = Projection(RouterConfig(n_llms=1, features=width, dim=dim, projection="mlp", hidden=hidden))
        padded = {
            name: _padded(tensor, extra) if name.startswith("outer") else tensor
            for name, tensor in self.tensors.items()
        }
        head.load_state_dict(padded)
        return head


def _padded(tensor: Tensor, extra: int) -> Tensor:
    return torch.cat([tensor, torch.zeros(extra, *tensor.shape[1:])])


@cache
def shipped() -> Recogniser:
    """The recogniser that comes with this package."""
    with as_file(files("labelling.prior") / WEIGHTS) as path, safe_open(path, framework="pt") as file:
        facts = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    encoder = EncoderRecipe.model_validate_json(facts["encoder"])
    return Recogniser(tuple(json.loads(facts["domains"])), tensors, encoder)
