"""The contenders: this router's engines and servers, and what people use today.

All stand on the same pretrained weights and are run as their own documentation shows it, each with its defaults.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from loadtest.bench.engine import encoder_folder
from loadtest.bench.setting import Subject
from loadtest.open_loop.targets import grpc_target
from loadtest.requests import messages
from loadtest.servers.servers import Parts
from loadtest.servers.worker import worker
from loadtest.side_by_side import environments
from loadtest.side_by_side.environments import Environment
from loadtest.side_by_side.infinity import embeddings, infinity
from loadtest.side_by_side.infinity import message as embeddings_message
from loadtest.side_by_side.running import Library, Running, Server

Start = Callable[[], AbstractContextManager[Running]]
_UTTERANCES = 10  # for each route


@dataclass(frozen=True, slots=True)
class Contender:
    """`decides`: it chooses an LLM; else it only embeds."""

    name: str
    decides: bool
    ours: bool
    queries: int  # of a round: some seconds of work
    start: Start


def contenders(
    parts: Parts, shipped: Subject, full_depth: Subject, utterances: Mapping[str, Sequence[str]]
) -> list[Contender]:
    """All of them, slowest first. `utterances`: example queries by route, for the router that wants some."""
    encoder, bundle = encoder_folder(shipped.bundle), str(full_depth.bundle)
    routes = parts.folder / "routes.json"
    routes.write_text(json.dumps({name: list(some)[:_UTTERANCES] for name, some in utterances.items()}))

    def library(module: str, *arguments: str, batch: int, environment: Environment | None = None) -> Start:
        @contextmanager
        def start() -> Iterator[Running]:
            if environment is None:
                with parts.worker(module, *arguments) as running:
                    yield Library(running, batch)
            else:
                log = parts.folder / f"{environment.name}.log"
                with worker(module, *arguments, log=log, python=str(environment.python())) as running:
                    yield Library(running, batch)

        return start

    def served(subject: Subject) -> Start:
        @contextmanager
        def start() -> Iterator[Running]:
            with parts.triton(subject.repository) as triton, parts.gateway(triton) as gateway:
                connect = partial(grpc_target, gateway.address, messages.ROUTE, messages.route_problem)
                yield Server(connect, messages.route, (triton.pid, gateway.pid))

        return start

    @contextmanager
    def infinity_server() -> Iterator[Running]:
        with infinity(environments.INFINITY.python(), encoder, parts.folder / "infinity.log") as server:
            yield Server(partial(embeddings, server.url), embeddings_message, (server.pid,))

    def engine(subject: Subject) -> Start:
        return library("served_engine", str(subject.repository), batch=64)

    def reference(batch: int) -> Start:
        return library("torch_reference", bundle, str(encoder), "--padded", batch=batch)

    transformers, semantic = environments.SENTENCE_TRANSFORMERS, environments.SEMANTIC_ROUTER
    return [
        Contender("RouterDC's way, one by one", True, False, 24, reference(1)),
        Contender("RouterDC's way, batches of 32", True, False, 32, reference(32)),
        Contender(
            "semantic-router, one by one",
            True,
            False,
            96,
            library("semantic_router_local", str(encoder), str(routes), batch=1, environment=semantic),
        ),
        Contender("infinity-emb, HTTP", False, False, 128, infinity_server),
        Contender(
            "sentence-transformers, batches of 32",
            False,
            False,
            128,
            library("sentence_transformers_batches", str(encoder), batch=32, environment=transformers),
        ),
        Contender("ours, full depth, gRPC", True, True, 512, served(full_depth)),
        Contender("ours, shipped, gRPC", True, True, 1024, served(shipped)),
        Contender("ours, full depth, in process", True, True, 512, engine(full_depth)),
        Contender("ours, shipped, in process", True, True, 1024, engine(shipped)),
    ]
