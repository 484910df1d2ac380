"""Routes by semantic-router with a local encoder: a route for each LLM, with utterances that it is good at.

    python -m loadtest.inprocess.semantic_router_local ENCODER ROUTES.json    ({route: [utterance, …]})

A query after the other, as its interface has it. Answers: names of routes.
"""

import json
import sys
from pathlib import Path
from typing import Any

from loadtest.inprocess.measured import serve


def main(encoder: str, routes: str) -> None:
    """Routes with the encoder in the folder `encoder`."""
    from semantic_router import IndexedRouter, Route
    from semantic_router.encoders import HuggingFaceEncoder

    named: dict[str, list[str]] = json.loads(Path(routes).read_text(encoding="utf-8"))
    router: Any = IndexedRouter(
        encoder=HuggingFaceEncoder(name=encoder),
        routes=[Route(name=name, utterances=utterances) for name, utterances in named.items()],
    )
    serve(lambda queries: [router(query).name for query in queries])


if __name__ == "__main__":
    main(*sys.argv[1:])
