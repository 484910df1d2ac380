"""From a request's body to the LLM that answers it: the use case behind Envoy.

A virtual model is routed, the name of an LLM goes to that LLM, anything else is an error that names what there is. The
router failing is no error: the default answers and is marked. Knows the gateway's router, not Envoy.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.endpoints import Endpoint
from gateway.errors import ExcludedError
from gateway.ext_proc import clusters, openai_answers
from gateway.ext_proc.openai_answers import OpenAiError
from gateway.ext_proc.openai_body import OpenAiBody, parse
from gateway.ext_proc.openai_query import Api, query, text_bytes
from gateway.logs import Throttled
from gateway.metrics import Metrics
from gateway.policy import eligibility, ranking
from gateway.pool import Pool
from gateway.router import Router
from gateway.validation import RouteQuery
from gateway.virtual_models import VirtualModel

NAMED = "named"
"""Reason where the caller named the LLM; the others are `gateway.decision.Reason`."""
FALLBACK = "fallback"

log = structlog.get_logger("gateway.ext_proc")


@dataclass(frozen=True, slots=True)
class DataPlane:
    """How requests that come through Envoy are treated."""

    deadline_seconds: float
    max_query_bytes: int
    max_body_bytes: int = 8 * 2**20
    max_held_bytes: int = 512 * 2**20
    max_candidates: int = 3
    endpoint_picker: bool = False


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a request goes: `candidates[0]` is the chosen LLM, the others are tried in order where it fails."""

    body: bytes
    candidates: tuple[tuple[str, Endpoint], ...]
    attempts: tuple[str, ...]
    endpoints: tuple[str, ...]
    reason: str
    detail: str
    router_ms: float
    truncated: bool = False

    @property
    def llm(self) -> str:
        """The chosen LLM."""
        return self.candidates[0][0]

    @property
    def model(self) -> str:
        """The model name in `body`."""
        return self.candidates[0][1].model


class Routing:
    """Routes OpenAI requests."""

    def __init__(self, router: Router, plane: DataPlane, metrics: Metrics) -> None:
        self.plane = plane
        self.metrics = metrics
        self._router = router
        self._warn = Throttled(log, "not routed")

    def models(self) -> bytes:
        """Answer to GET /v1/models."""
        return openai_answers.model_list(self._virtual_models, self._pool.llms)

    def model(self, name: str) -> bytes:
        """Answer to GET /v1/models/{name}.

        Raises:
            OpenAiError: 404.
        """
        if name not in self._virtual_models and name not in self._pool.llms:
            raise openai_answers.model_not_found(name, self._names)
        return openai_answers.model(name, virtual=name in self._virtual_models)

    async def route(self, api: Api, body: bytes) -> Routed:
        """Decides where a request goes; cancelling it cancels the scoring.

        Raises:
            OpenAiError: the request is wrong, or the named LLM has no endpoint in use.
        """
        started = time.perf_counter()
        parsed = parse(body)
        text = query(api, parsed.fields)
        pool = self._pool
        if (virtual := self._virtual_models.get(parsed.model)) is not None:
            choice = await self._routed(pool, virtual, text, parsed.fields)
        elif parsed.model in pool.llms:
            choice = _named(pool, parsed.model)
        else:
            raise openai_answers.model_not_found(parsed.model, self._names)
        routed = _answer(pool, parsed, choice, started)
        self.metrics.openai(routed.llm, routed.reason)
        return routed

    async def _routed(self, pool: Pool, virtual: VirtualModel, text: str, fields: dict[str, Any]) -> "_Choice":
        if not text.strip():
            return _default(pool, virtual, "there is no text to route")
        tail, truncated = _tail(text, self.plane.max_query_bytes)
        request = RouteQuery(
            text=tail,
            rules=(virtual.rules,),
            cost_weight=virtual.cost_weight,
            max_candidates=self.plane.max_candidates,
            request_id=secrets.token_hex(8),
            min_margin=virtual.min_margin,
            defaults=virtual.default,
            other_bytes=max(0, text_bytes(fields) - len(tail.encode())) if pool.context_tokens else 0,
        )
        try:
            decision = await self._router.route(request, time.monotonic() + self.plane.deadline_seconds)
        except ExcludedError as error:
            raise OpenAiError(400, f"model: {error}", param="model") from None
        except Exception as error:  # whatever it is, the request must not fail because of the router
            self._warn(type(error).__name__, request_id=request.request_id)
            return _default(pool, virtual, "the router could not decide")
        candidates = tuple((c.llm, c.endpoint) for c in decision.candidates)
        return _Choice(candidates, decision.reason.value, decision.reason_detail, truncated or decision.truncated)

    @property
    def _pool(self) -> Pool:
        return self._router.pool

    @property
    def _virtual_models(self) -> dict[str, VirtualModel]:
        return self._pool.virtual_models

    @property
    def _names(self) -> tuple[str, ...]:
        return (*self._virtual_models, *self._pool.llms)


@dataclass(frozen=True, slots=True)
class _Choice:
    candidates: tuple[tuple[str, Endpoint], ...]
    reason: str
    detail: str = ""
    truncated: bool = False


def _named(pool: Pool, llm: str) -> _Choice:
    if not (candidates := clusters.first_of_each(pool.llms, [llm])):
        raise OpenAiError(503, f"model: every endpoint of {llm!r} is out of use", param="model")
    return _Choice(candidates, NAMED, "the request names this LLM")


def _default(pool: Pool, virtual: VirtualModel, detail: str) -> _Choice:
    """Who answers undecided. LLMs thought to be ill come last, but come: where there is nobody else, try."""
    allowed = eligibility.permitted(pool.names, pool.prices, (virtual.rules,))
    ranked = ranking.fallback_order((*virtual.default, *pool.defaults), tuple(pool.llms), allowed)
    ranked.sort(key=lambda llm: llm not in pool.healthy)
    if not (candidates := clusters.first_of_each(pool.llms, ranked)):
        raise OpenAiError(503, f"model: every endpoint of {', '.join(sorted(ranked))} is out of use", param="model")
    return _Choice(candidates, FALLBACK, detail)


def _answer(pool: Pool, parsed: OpenAiBody, choice: _Choice, started: float) -> Routed:
    llm, endpoint = choice.candidates[0]
    return Routed(
        body=parsed.with_model(endpoint.model),
        candidates=choice.candidates,
        attempts=clusters.attempts(pool.llms, choice.candidates),
        endpoints=clusters.same_model(pool.llms[llm], endpoint),
        reason=choice.reason,
        detail=choice.detail,
        router_ms=(time.perf_counter() - started) * 1000,
        truncated=choice.truncated,
    )


def _tail(text: str, max_bytes: int) -> tuple[str, bool]:
    """The end of a text that is too long to route as a whole, and whether it was. The question mostly stands there."""
    if len(text) * 4 <= max_bytes or len(data := text.encode()) <= max_bytes:
        return text, False
    return data[-max_bytes:].decode(errors="ignore"), True
