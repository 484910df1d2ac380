"""A bundle as something to call: queries in, scores out, in torch. What training and evaluation use.

Serving does not come here: it runs the exported engine. Parity of the two is export's business.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self, cast

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from routerdc.batches import batches_by_length
from routerdc.bundle_io import load_bundle
from routerdc.model import RouterModel
from routerdc.tokenization import token_ids
from routerdc_contract.bundle import Manifest


class Router:
    """A loaded bundle."""

    def __init__(self, manifest: Manifest, model: RouterModel, tokenizer: Tokenizer, device: str = "cpu") -> None:
        self.manifest = manifest
        self.model = model.to(device).eval()
        self.tokenizer = tokenizer
        self.device = device

    @classmethod
    def load(cls, bundle: Path | str, device: str = "cpu") -> Self:
        """Reads the bundle in the folder `bundle`.

        Raises:
            routerdc_contract.bundle.BundleError: it cannot be used; the message says why.
        """
        return cls(*load_bundle(Path(bundle)), device=device)

    @property
    def llms(self) -> tuple[str, ...]:
        """LLM names in score order."""
        return self.manifest.llm_names

    def score(self, queries: Sequence[str], batch_size: int = 64) -> npt.NDArray[np.float32]:
        """Scores, (n, n_llms) float32; the argmax of a row is the choice."""
        with torch.inference_mode():
            embedding = torch.from_numpy(self.embed(queries, batch_size)).to(self.device)
            return self.model.score(embedding).cpu().numpy()

    def familiarity(self, queries: Sequence[str], batch_size: int = 64) -> npt.NDArray[np.float32] | None:
        """How like the training queries each query is, (n,) in [0, 1]; None where the bundle does not know it."""
        if (known := self.model.familiarity) is None:
            return None
        with torch.inference_mode():
            embedding = torch.from_numpy(self.embed(queries, batch_size)).to(self.device)
            return cast(npt.NDArray[np.float32], known(embedding).cpu().numpy())

    def embed(self, queries: Sequence[str], batch_size: int = 64) -> npt.NDArray[np.float32]:
        """Query embeddings, (n, dim) float32, of unit length; rows are computed sorted by length."""
        limits = self.manifest.tokenizer
        ids = token_ids(self.tokenizer, queries, limits.max_tokens, limits.truncation_side)
        embedding = np.zeros((len(ids), self.manifest.dim), dtype=np.float32)
        with torch.inference_mode():
            for batch in batches_by_length(ids, batch_size):
                on_device = batch.to(self.device)
                rows = self.model.embed(on_device.input_ids, on_device.attention_mask)
                embedding[list(batch.rows)] = rows.cpu().numpy()
        return embedding
