"""The shipped bundle as a scorer within the process: the model's own pipeline on ONNX Runtime, without a Triton."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.domain.query import Priority
from gateway.domain.scorer import Bundle, Scored, Scores

ENGINE = Path(__file__).parents[3] / "bundles" / "default" / "engine"


class BundleScorer:
    """A `Scorer`; keeps what it has scored, as the gateway's cache does, and counts the texts that it had to score."""

    def __init__(self) -> None:
        from pipeline import Pipeline
        from settings import Settings

        self._pipeline: Any = Pipeline.load(ENGINE, Settings("onnxruntime", 512, 2**20, 1, 16))
        router = json.loads((ENGINE / "router.json").read_text(encoding="utf-8"))
        self.bundle = Bundle(router["bundle_id"], tuple(router["llms"]), max_tokens=router["max_tokens"])
        self._known: dict[str, Scores] = {}

    async def score(self, query: str, deadline: float, priority: Priority = Priority.INTERACTIVE) -> Scored:
        """See `Scorer.score`."""
        if query not in self._known:
            self.learn([query])
        return Scored(self._known[query], score_ns=1)

    def learn(self, queries: Sequence[str]) -> None:
        """Scores `queries` in one batch."""
        routing = self._pipeline.route(queries)
        rows = zip(queries, routing.scores, routing.token_count, routing.truncated, strict=True)
        for query, scores, tokens, truncated in rows:
            values = tuple(float(score) for score in scores)
            self._known[query] = Scores(self.bundle, values, int(tokens), bool(truncated))
