"""RouterDC as its research code runs it: Transformers in fp32 on the same weights. Answers: LLM names.

    python -m loadtest.inprocess.torch_reference BUNDLE ENCODER [--padded]

Written from the bundle's files alone, as the yardstick of our engines: `--padded` pads every query to the token limit,
without it a batch is padded to its longest query.
"""

import json
from pathlib import Path

import click
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from loadtest.inprocess.measured import serve


class Reference:
    """Encoder, mean pooling, projection, cosine with the LLM embeddings, argmax."""

    def __init__(self, bundle: Path, encoder: Path, *, padded: bool) -> None:
        manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        if manifest["encoder"]["pooling"] != "mean":
            raise click.ClickException(f"{bundle}: only mean pooling is here")
        self._llms = [llm["name"] for llm in manifest["llms"]]
        self._limit = manifest["tokenizer"]["max_tokens"]
        self._padding = "max_length" if padded else "longest"
        self._scale = manifest["scale"]
        side = manifest["tokenizer"]["truncation_side"]
        self._tokenizer = AutoTokenizer.from_pretrained(encoder, truncation_side=side)
        layers = manifest["encoder"]["layers"]
        self._encoder = AutoModel.from_pretrained(encoder, num_hidden_layers=layers).eval()
        with safe_open(bundle / "router.safetensors", framework="pt") as file:
            self._weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

    @torch.inference_mode()
    def __call__(self, queries: list[str]) -> list[str]:
        """The best LLM for each query."""
        tokens = self._tokenizer(
            queries, padding=self._padding, truncation=True, max_length=self._limit, return_tensors="pt"
        )
        hidden = self._encoder(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        embedding = self._projected((hidden * mask).sum(dim=1) / mask.sum(dim=1))
        llms = torch.nn.functional.normalize(self._weights["llm_embeddings"], dim=-1)
        scores = self._scale * torch.nn.functional.normalize(embedding, dim=-1) @ llms.T + self._weights["llm_bias"]
        return [self._llms[column] for column in scores.argmax(dim=1).tolist()]

    def _projected(self, features: Tensor) -> Tensor:
        if "projection.inner.weight" in self._weights:
            features = torch.nn.functional.gelu(self._linear(features, "projection.inner"))
        return self._linear(features, "projection.outer") if "projection.outer.weight" in self._weights else features

    def _linear(self, features: Tensor, name: str) -> Tensor:
        return torch.nn.functional.linear(features, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("encoder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--padded", is_flag=True, help="Every query to the token limit.")
def main(bundle: Path, encoder: Path, padded: bool) -> None:
    """Routes by BUNDLE on the pretrained ENCODER that it stands on."""
    serve(Reference(bundle, encoder, padded=padded))


if __name__ == "__main__":
    main()
