"""Routes a handful of real queries through a running service and shows what came out.

Every query is also sent to Envoy as an OpenAI client would, for the virtual model `auto`, so that a row of the table
says: the query went in, and the server of that LLM answered.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from cli.answer import Answer
from cli.table import Column, Table
from deploy.local.demo.sample_queries import SAMPLE_QUERIES
from routerdc_client import RouterClient
from routerdc_contract.v1 import router_pb2 as pb

VIRTUAL_MODEL = "auto"
ROUTE_DEADLINE_MS = 2000.0
ANSWER_TIMEOUT_SECONDS = 10.0
SHOWN_QUERY_CHARS = 24
DECIDED = (pb.REASON_ROUTED, pb.REASON_CACHED, pb.REASON_UNFAMILIAR)
"""Reasons by which the router decided; the best LLM in general for an unfamiliar query is its decision, too."""
_DIRECT = build_opener(ProxyHandler({}))  # this machine is not behind a proxy, whatever http_proxy says


@dataclass(frozen=True)
class RoutedSample:
    """One query's way: the decision, how long it took (seen by the client), and what went wrong, if anything."""

    kind: str
    query: str
    decision: pb.RouteResponse
    milliseconds: float
    problem: str

    @property
    def ok(self) -> bool:
        """Decided by the router, not by a default, and answered by the endpoint of that LLM."""
        return not self.problem


def route_samples(address: str, openai_base_url: str) -> list[RoutedSample]:
    """Routes every sample query at the gateway `address` (host:port), and asks for its answer at `openai_base_url`.

    Raises:
        routerdc_client.RouteError: the gateway refused or did not answer.
    """
    with RouterClient(address) as client:
        client.list_llms()  # connects, so that the first query's time is a query's time
        return [_route(client, openai_base_url, kind, query) for kind, query in SAMPLE_QUERIES]


def _route(client: RouterClient, openai_base_url: str, kind: str, query: str) -> RoutedSample:
    started = time.perf_counter()
    decision = client.route(query, deadline_ms=ROUTE_DEADLINE_MS)
    milliseconds = (time.perf_counter() - started) * 1000
    return RoutedSample(kind, query, decision, milliseconds, _problem(decision, openai_base_url, query))


def _problem(decision: pb.RouteResponse, openai_base_url: str, query: str) -> str:
    """What is wrong with a decision or with the answer that OpenAI clients get; empty if nothing is."""
    if decision.reason not in DECIDED:
        return f"not routed: {decision.reason_detail}"
    try:
        answered_by = _ask(openai_base_url, query)
    except (URLError, OSError, ValueError, KeyError) as error:
        return f"no answer from {openai_base_url}: {error}"
    if answered_by != decision.endpoint.model:
        return f"{answered_by} answered instead of {decision.endpoint.model}"
    return ""


def _ask(openai_base_url: str, query: str) -> str:
    """The model that says it answered `query`."""
    body = json.dumps({"model": VIRTUAL_MODEL, "messages": [{"role": "user", "content": query}]}).encode()
    request = Request(f"{openai_base_url}/chat/completions", body, {"Content-Type": "application/json"})  # noqa: S310
    with _DIRECT.open(request, timeout=ANSWER_TIMEOUT_SECONDS) as response:
        return str(json.load(response)["model"])


COLUMNS = (
    Column("query", most_characters=SHOWN_QUERY_CHARS),
    Column("LLM"),
    Column("endpoint"),
    Column("familiar", ".0%", key="familiarity"),
    Column("ms", ".1f", key="milliseconds"),
)


def show_samples(answer: Answer, samples: Sequence[RoutedSample]) -> None:
    """The samples as a table; problems stand below it."""
    answer.show("samples", Table(COLUMNS, [_row(sample) for sample in samples]))
    problems = {sample.kind: sample.problem for sample in samples if not sample.ok}
    answer.add(problems=problems)
    for kind, problem in problems.items():
        answer.say(f"{kind}: {problem}")


def _row(sample: RoutedSample) -> tuple[str | float | None, ...]:
    decision = sample.decision
    return (
        " ".join(sample.query.split()),
        decision.llm,
        urlsplit(decision.endpoint.address).netloc,
        decision.familiarity if decision.HasField("familiarity") else None,
        sample.milliseconds,
    )
