"""What Triton serves, without Triton: the pipeline of a filled model repository in this process. Answers: LLM names.

    python -m loadtest.inprocess.served_engine REPOSITORY [--head HEAD.npz]

Runs the model's own code from the repository, with the settings of its config.pbtxt, so whatever engine is shipped is
measured. Counts tokens: `real_tokens` of queries, `computed_tokens` with padding.
"""

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from loadtest.inprocess.measured import serve
from routerdc_contract.tensors import ROUTER_MODEL

_VERSION = "1"


class CountingEngine:
    """Another engine, and what it is asked to compute."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.tokens = {"real_tokens": 0, "computed_tokens": 0}

    def embed(self, slices: Sequence[Any]) -> Any:
        """See `engines.engine.Engine` of the model."""
        for part in slices:
            self.tokens["real_tokens"] += int(part.attention_mask.sum())
            self.tokens["computed_tokens"] += part.attention_mask.size
        return self._inner.embed(slices)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def taken(self) -> dict[str, float]:
        """Tokens since the last time."""
        taken, self.tokens = self.tokens, dict.fromkeys(self.tokens, 0)
        return dict(taken)


def load(repository: Path, head: Path | None = None) -> tuple[Any, CountingEngine]:
    """The pipeline, warmed up, with the scores of another `head` if asked for; and what it computes with."""
    model = repository / ROUTER_MODEL
    folder = model / _VERSION
    sys.path.insert(0, str(folder))
    config = text_format.Parse((model / "config.pbtxt").read_text(encoding="utf-8"), ModelConfig())
    settings = import_module("settings").Settings.from_model_config(
        json_format.MessageToJson(config, preserving_proto_field_name=True)
    )
    pipeline = import_module("pipeline").Pipeline.load(folder, settings)
    if head is not None:
        scale = json.loads((folder / "router.json").read_text(encoding="utf-8"))["scale"]
        pipeline._head = import_module("head").Head.load(head, scale)
    pipeline.route(["What is 12 times 7?"])
    engine = CountingEngine(pipeline._engine)
    pipeline._engine = engine
    return pipeline, engine


@click.command()
@click.argument("repository", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--head", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Other LLMs' embeddings.")
def main(repository: Path, head: Path | None) -> None:
    """Computes what the model in REPOSITORY serves."""
    pipeline, engine = load(repository, head)
    router = json.loads((repository / ROUTER_MODEL / _VERSION / "router.json").read_text(encoding="utf-8"))
    llms = np.array(router["llms"], dtype=object)

    def answer(queries: list[str]) -> Any:
        choice = pipeline.route(queries).choice
        return choice if head else llms[choice]

    serve(answer, engine.taken)


if __name__ == "__main__":
    main()
