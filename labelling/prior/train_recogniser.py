"""Trains the shipped recogniser again: `python -m labelling.prior.train_recogniser FOLDER`, the folder of public data.

Only what was learned is kept: no text of the data is in the weights' file.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from labelling.prior.domains import DOMAINS
from labelling.prior.recogniser import WEIGHTS
from routerdc.data.formats.files import read_rows
from routerdc.model import Projection, RouterConfig
from routerdc.training.encoder import open_encoder
from routerdc.training.preparation.inputs import fold_standardisation
from routerdc.training.preparation.templates import without_template
from routerdc.training.recipe import load_recipe

HIDDEN, STEPS, BATCH, NOISE = 96, 1500, 512, 0.3
SHARPNESS = 4.0
"""Logit of a domain in training: so low that only embeddings right on their axis are good enough.

Off it, an LLM's other domains would have their say. 12 names more training texts right, and makes worse priors.
"""
_FILES = {
    "routerdc/train/arc_challenge_train.json": "science",
    "routerdc/train/cmmlu_train.json": "chinese",
    "routerdc/train/gsm8k-train.json": "word-problems",
    "routerdc/train/humaneval_train.json": "coding",
    "routerdc/train/mmlu_train.json": "general-knowledge",
    "routerbench/arc_challenge_train.jsonl": "science",
    "routerbench/mbpp_train.jsonl": "coding",
    "zeroeval/train.jsonl": "",
    "mmlu_pro/train.jsonl": "",
    "reasoning_gym/train.jsonl": "",
}
_NAMES = {
    "crux": "program-tracing",
    "code": "program-tracing",
    "gsm": "word-problems",
    "math-l5": "competition-math",
    "math": "mathematics",
    "computer science": "computer-science",
    "arc": "grids",
}


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """(text, domain) of all training files; with their templates, and without."""
    for name, domain in _FILES.items():
        for row in read_rows(folder / name):
            named = domain or _domain(row.value)
            if named in DOMAINS:
                for text in {row.value["question"], without_template(row.value["question"])}:
                    yield text, named


def _domain(row: dict[str, str]) -> str:
    for field in (row.get("category"), row.get("task")):
        if field and (name := _NAMES.get(field.lower(), field.lower())) in DOMAINS:
            return name
    return ""


def train(features: Tensor, labels: Tensor) -> Projection:
    """A head whose output's direction says the domain; every domain is drawn equally often."""
    torch.manual_seed(0)
    mean, deviation = features.mean(dim=0), features.std(dim=0).clamp(min=1e-6)
    inputs = (features - mean) / deviation
    width = features.shape[1]
    head = Projection(RouterConfig(n_llms=1, features=width, dim=len(DOMAINS), projection="mlp", hidden=HIDDEN))
    weights = (1.0 / torch.bincount(labels, minlength=len(DOMAINS)).clamp(min=1))[labels]
    optimizer = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=STEPS)
    for _ in range(STEPS):
        rows = torch.multinomial(weights, BATCH, replacement=True)
        outputs = head(inputs[rows] + NOISE * torch.randn(BATCH, width))
        loss = torch.nn.functional.cross_entropy(
            SHARPNESS * torch.nn.functional.normalize(outputs, dim=-1), labels[rows]
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    fold_standardisation(head.first, mean, deviation)
    return head.eval()


def main(folder: Path) -> None:
    """Writes the weights beside this file and prints how often training texts are recognised."""
    encoder = open_encoder(recipe := load_recipe("default").encoder)
    pairs = list(texts(folder))
    features = torch.from_numpy(encoder.features([text for text, _ in pairs]))
    names = list(DOMAINS)
    labels = torch.tensor([names.index(domain) for _, domain in pairs])
    head = train(features, labels)
    with torch.inference_mode():
        right = (head(features).argmax(dim=-1) == labels).float()
    for index, name in enumerate(names):
        rows = labels == index
        print(f"{name}: {int(rows.sum())} texts, {100 * right[rows].mean():.1f} % recognised")
    print(f"mean over domains {100 * np.mean([right[labels == i].mean().item() for i in set(labels.tolist())]):.1f} %")
    facts = {"domains": json.dumps(names), "encoder": recipe.model_dump_json()}
    tensors = {name: tensor.detach().clone() for name, tensor in head.state_dict().items()}
    Path(__file__).with_name(WEIGHTS).write_bytes(save(tensors, metadata=facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
