"""From a request's body to the LLM that answers it: the use case behind Envoy.

A virtual model is routed, the name of an LLM goes to that LLM, anything else is an error that names what there is. The
router failing is no error: the default answers and is marked. Knows the gateway's router, not Envoy.
"""

import time
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.config.endpoints_file import Endpoint
from gateway.config.virtual_models import VirtualModel
from gateway.domain.decision import Reason
from gateway.domain.query import RouteQuery, new_request_id
from gateway.errors import ExcludedError, NoLlmError
from gateway.limits.caller import ANONYMOUS, Callers
from gateway.openai import answers
from gateway.openai.answers import OpenAiError
from gateway.openai.auth import NOBODY, Sender, Senders
from gateway.openai.body import OpenAiBody, parse
from gateway.openai.query import Api, query, text_bytes
from gateway.policy import eligibility
from gateway.pool import clusters
from gateway.pool.pool import Pool
from gateway.routing.router import Router
from gateway.telemetry.logs import Throttled
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger("gateway.openai")


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
    model_span: tuple[int, int] = (0, 0)  # where the value of `model` stands in `body`, in bytes

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

    def __init__(self, router: Router, plane: DataPlane, metrics: Metrics, callers: Callers | None = None) -> None:
        """`callers`: whose API keys are known; None: anybody may ask."""
        self.plane = plane
        self.metrics = metrics
        self.senders = Senders(callers)
        self._router = router
        self._warn = Throttled(log, "not routed")

    def models(self) -> bytes:
        """Answer to GET /v1/models."""
        return answers.model_list(self._virtual_models, self._pool.llms)

    def model(self, name: str) -> bytes:
        """Answer to GET /v1/models/{name}.

        Raises:
            OpenAiError: 404.
        """
        if name not in self._virtual_models and name not in self._pool.llms:
            raise answers.model_not_found(name, self._names)
        return answers.model(name, virtual=name in self._virtual_models)

    async def route(self, api: Api, body: bytes, sender: Sender = NOBODY) -> Routed:
        """Decides where a request goes; cancelling it cancels the scoring.

        Raises:
            OpenAiError: the request is wrong, its sender may not have what it asks for or asks too often, or the named
                LLM has no endpoint in use.
        """
        started = time.perf_counter()
        self.senders.admit(sender)
        parsed = parse(body)
        text = query(api, parsed.fields)
        pool = self._pool
        try:
            if (virtual := self._virtual_models.get(parsed.model)) is not None:
                choice = await self._routed(pool, virtual, sender, text, parsed.fields)
            elif parsed.model in pool.llms:
                choice = _named(pool, sender, parsed.model)
            else:
                raise answers.model_not_found(parsed.model, self._names)
        except ExcludedError as error:
            raise OpenAiError(403, f"model: {error}", param="model", code="model_not_allowed") from None
        except NoLlmError as error:
            raise OpenAiError(503, f"model: {error}", param="model") from None
        routed = _answer(pool, parsed, choice, started)
        self.metrics.openai(routed.llm, routed.reason)
        return routed

    async def _routed(
        self, pool: Pool, virtual: VirtualModel, sender: Sender, text: str, fields: dict[str, Any]
    ) -> "_Choice":
        tail, truncated = _tail(text, self.plane.max_query_bytes)
        request = RouteQuery(
            text=tail if tail.strip() else "",
            rules=(virtual.rules, sender.caller.rules),
            cost_weight=virtual.cost_weight,
            max_candidates=self.plane.max_candidates,
            request_id=new_request_id(),
            min_margin=virtual.min_margin,
            min_confidence=virtual.min_confidence,
            defaults=virtual.default,
            session_id=sender.session_id,
            other_bytes=max(0, text_bytes(fields) - len(tail.encode())) if pool.context_tokens else 0,
            caller="" if sender.caller is ANONYMOUS else sender.caller.name,
        )
        try:
            decision = await self._router.route(request, time.monotonic() + self.plane.deadline_seconds)
        except (ExcludedError, NoLlmError):
            raise
        except Exception as error:  # whatever it is, the request must not fail because of the router
            self._warn(type(error).__name__, request_id=request.request_id)
            decision = self._router.default(request, "the router could not decide")
        candidates = tuple((c.llm, c.endpoint) for c in decision.candidates)
        return _Choice(candidates, decision.reason, decision.reason_detail, truncated or decision.truncated)

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
    reason: Reason
    detail: str = ""
    truncated: bool = False


def _named(pool: Pool, sender: Sender, llm: str) -> _Choice:
    """The LLM that the request names.

    Raises:
        ExcludedError: its sender may not use it.
        NoLlmError: none of its endpoints is in use.
    """
    pool.eligible(eligibility.permitted(frozenset((llm,)), pool.prices, (sender.caller.rules,)))
    return _Choice(((llm, pool.endpoint(llm, sender.caller.name)),), Reason.NAMED, "the request names this LLM")


def _answer(pool: Pool, parsed: OpenAiBody, choice: _Choice, started: float) -> Routed:
    llm, endpoint = choice.candidates[0]
    return Routed(
        body=parsed.with_model(endpoint.model),
        candidates=choice.candidates,
        attempts=clusters.attempts(pool.llms, choice.candidates),
        endpoints=clusters.same_model(pool.llms[llm], endpoint),
        reason=choice.reason.value,
        detail=choice.detail,
        router_ms=(time.perf_counter() - started) * 1000,
        truncated=choice.truncated,
        model_span=parsed.model_span(endpoint.model),
    )


def _tail(text: str, max_bytes: int) -> tuple[str, bool]:
    """The end of a text that is too long to route as a whole, and whether it was. The question mostly stands there."""
    if len(text) * 4 <= max_bytes or len(data := text.encode()) <= max_bytes:
        return text, False
    return data[-max_bytes:].decode(errors="ignore"), True
