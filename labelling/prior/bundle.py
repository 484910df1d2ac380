"""A bundle out of a table and the recogniser: nothing is trained.

The query's embedding points along its domain's axis. The LLM embedding of an LLM holds, on each axis, how far its
logit of being right there lies above its mean; a last axis, on which every query is 0, fills it up to unit length. So
scores are logits of the believed quality, and what a mixed query gets lies between its domains.
"""

import datetime
from pathlib import Path

import numpy as np
import torch

from labelling.prior.recogniser import Recogniser
from labelling.prior.table import PriorTable
from routerdc.bundle_io import save_bundle
from routerdc.model import RouterConfig, RouterModel
from routerdc.training.encoder import open_encoder
from routerdc.training.model_card import write_model_card
from routerdc_contract.bundle import Calibration, LlmSpec, Manifest


def write_prior(folder: Path, table: PriorTable, recogniser: Recogniser, name: str, today: datetime.date) -> Manifest:
    """Writes the bundle; its card says that it is a prior, from when and from what."""
    encoder = open_encoder(recogniser.encoder)
    model = _model(table, recogniser)
    llms = [
        LlmSpec(name=llm, price=belief.price, calibration=Calibration(slope=1.0, intercept=0.0))
        for llm, belief in table.llms.items()
    ]
    facts = {"about": table.about, "sources": list(table.sources), "made": today.isoformat()}
    manifest = save_bundle(
        folder,
        model,
        encoder.tokenizer,
        name=name,
        encoder=encoder.spec,
        llms=llms,
        max_tokens=recogniser.encoder.max_tokens,
        truncation_side=recogniser.encoder.truncation_side,
        training={"prior": facts},
    )
    write_model_card(folder, manifest)
    return manifest


def _model(table: PriorTable, recogniser: Recogniser) -> RouterModel:
    quality = table.qualities()
    logits = np.log(quality / (1 - quality))
    bias = logits.mean(axis=0)
    above = (logits - bias).T
    scale = max(1e-3, float(np.linalg.norm(above, axis=1).max()))
    filled = np.sqrt(np.maximum(0.0, scale**2 - (above**2).sum(axis=1, keepdims=True)))
    rows = np.concatenate([above, filled], axis=1) / scale
    width, hidden = recogniser.tensors["inner.weight"].shape[::-1]
    config = RouterConfig(
        n_llms=len(table.llms),
        features=int(width),
        dim=rows.shape[1],
        projection="mlp",
        hidden=int(hidden),
        pooling=recogniser.encoder.pooling,
        scale=scale,
    )
    model = RouterModel(torch.nn.Identity(), config)  # the encoder is the pinned one, which the bundle only names
    model.projection = recogniser.projection(extra=1)
    model.llm_embeddings = torch.nn.Parameter(torch.from_numpy(rows).float())
    model.llm_bias = torch.nn.Parameter(torch.from_numpy(bias).float())
    return model.eval()
