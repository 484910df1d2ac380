"""From a request's body to the LLM that answers it: the use case behind Envoy.

A virtual model is routed, the name of an LLM goes to that LLM, anything else is an error that names what there is. LLMs
that cannot do what the request needs take no part. The router failing is no error: the default answers and is marked.
Knows the gateway's router, not Envoy.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from gateway.config.endpoints_file import Endpoint
from gateway.config.groups import Deadlines, Limits, OpenAi
from gateway.config.virtual_models import VirtualModel
from gateway.domain.query import RouteQuery, new_request_id
from gateway.errors import ContextOverflowError, ExcludedError, NoLlmError
from gateway.limits.caller import ANONYMOUS, Callers
from gateway.openai.apis import Api, Ask
from gateway.openai.auth import NOBODY, Sender, Senders
from gateway.openai.bodies import answers
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.edits import Edit
from gateway.openai.bodies.outgoing import Outgoing, outgoing
from gateway.openai.bodies.reader import Reader
from gateway.openai.bodies.reading import Reading
from gateway.openai.choosing import Choice, able, named
from gateway.policy import eligibility
from gateway.policy.capabilities import ApiProtocol
from gateway.policy.eligibility import CallerRules
from gateway.pool import clusters
from gateway.pool.pool import Pool
from gateway.routing.router import Router
from gateway.telemetry.logs import Throttled
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger("gateway.openai")


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
    inflated: bool = False  # the body came in a content coding, and has none any more
    caller: str = ""  # name of the API key; empty: no keys are in use
    edits: Mapping[str, Sequence[Edit]] = field(default_factory=dict)  # of `body`, by attempt, where it needs some

    @property
    def llm(self) -> str:
        """The chosen LLM."""
        return self.candidates[0][0]

    @property
    def model(self) -> str:
        """The model name in `body`."""
        return self.candidates[0][1].model


class Routing:
    """Routes requests of all APIs."""

    def __init__(
        self,
        router: Router,
        metrics: Metrics,
        openai: OpenAi,
        limits: Limits,
        deadlines: Deadlines,
        callers: Callers | None = None,
        reader: Reader | None = None,
    ) -> None:
        """Routes with `router`.

        Args:
            router: decides.
            metrics: counts.
            openai: what a request may ask for.
            limits: of those, the longest text to route.
            deadlines: of those, a query's.
            callers: whose API keys are known; None: anybody may ask.
            reader: reads bodies; None: one that starts its process when a large body comes.
        """
        self.openai = openai
        self.metrics = metrics
        self.senders = Senders(callers)
        self._router = router
        self._max_query_bytes = limits.max_query_bytes
        self._deadlines = deadlines
        self._reader = reader or Reader()
        self._warn = Throttled(log, "not routed")

    def models(self, protocol: ApiProtocol = ApiProtocol.OPENAI) -> bytes:
        """Answer to GET /v1/models."""
        return answers.model_list(self._virtual_models, self._pool.llms, protocol)

    def model(self, name: str, protocol: ApiProtocol = ApiProtocol.OPENAI) -> bytes:
        """Answer to GET /v1/models/{name}.

        Raises:
            OpenAiError: 404.
        """
        if name not in self._virtual_models and name not in self._pool.llms:
            raise answers.model_not_found(name, self._names)
        return answers.model(name, virtual=name in self._virtual_models, protocol=protocol)

    async def route(self, api: Api, body: bytes, sender: Sender = NOBODY, coding: str = "") -> Routed:
        """Decides where a request goes; cancelling it cancels the scoring.

        Raises:
            OpenAiError: the request is wrong, its sender may not have what it asks for or asks too often, or the named
                LLM has no endpoint in use.
            ReaderError: the body could not be read.
        """
        started = time.perf_counter()
        self.senders.admit(sender)
        plain = await self._reader.inflate(coding, body, self.openai.max_body_bytes)
        pool = self._pool
        reading = await self._reader.read(api.path, plain, pool.parameter_names)
        choice = await self._choice(pool, api, reading, sender)
        bodies = outgoing(pool, plain, reading, choice.candidates)
        routed = _answer(pool, choice, bodies, started, inflated=bool(coding), caller=_name(sender))
        self.metrics.openai(routed.llm, routed.reason)
        return routed

    async def _choice(self, pool: Pool, api: Api, reading: Reading, sender: Sender) -> Choice:
        virtual = self._virtual_models.get(reading.model)
        try:
            if virtual is not None:
                return await self._routed(pool, api, virtual, sender, reading.ask)
            if reading.model in pool.llms:
                return named(pool, api, sender.caller, reading)
        except ContextOverflowError as error:
            raise answers.context_too_long(api.text_field, error.tokens, error.limit) from None
        except ExcludedError as error:
            raise OpenAiError(403, f"model: {error}", param="model", code="model_not_allowed") from None
        except NoLlmError as error:
            raise OpenAiError(503, f"model: {error}", param="model") from None
        raise answers.model_not_found(reading.model, self._names)

    async def _routed(self, pool: Pool, api: Api, virtual: VirtualModel, sender: Sender, ask: Ask) -> Choice:
        if ask.problem is not None:
            raise answers.invalid(*ask.problem)
        rules: tuple[CallerRules, ...] = (virtual.rules, sender.caller.rules)
        permitted = eligibility.permitted(pool.names, pool.prices, rules)
        rules = (*rules, CallerRules(allowed=able(pool, api, permitted, ask)))
        talk = ask.talk.within(self._max_query_bytes)
        request = RouteQuery(
            text=talk.text,
            rules=rules,
            cost_weight=virtual.cost_weight,
            max_candidates=self.openai.openai_candidates,
            request_id=new_request_id(),
            min_margin=virtual.min_margin,
            min_confidence=virtual.min_confidence,
            defaults=virtual.default,
            session_id=sender.session_id or ask.cache_key,
            other_bytes=max(0, ask.text_bytes - len(talk.text.encode())),
            caller=_name(sender),
            conversation=talk,
        )
        try:
            decision = await self._router.route(request, self._deadlines.of_query())
        except (ContextOverflowError, ExcludedError, NoLlmError):
            raise
        except Exception as error:  # whatever it is, the request must not fail because of the router
            self._warn(type(error).__name__, request_id=request.request_id)
            decision = self._router.default(request, "the router could not decide")
        candidates = tuple((c.llm, c.endpoint) for c in decision.candidates)
        return Choice(candidates, decision.reason, decision.reason_detail, decision.truncated)

    @property
    def _pool(self) -> Pool:
        return self._router.pool

    @property
    def _virtual_models(self) -> dict[str, VirtualModel]:
        return self._pool.virtual_models

    @property
    def _names(self) -> tuple[str, ...]:
        return (*self._virtual_models, *self._pool.llms)


def _name(sender: Sender) -> str:
    return "" if sender.caller is ANONYMOUS else sender.caller.name


def _answer(pool: Pool, choice: Choice, bodies: Outgoing, started: float, *, inflated: bool, caller: str) -> Routed:
    llm, endpoint = choice.candidates[0]
    return Routed(
        body=bodies.first,
        candidates=choice.candidates,
        attempts=bodies.attempts,
        endpoints=clusters.same_model(pool.llms[llm], endpoint),
        reason=choice.reason.value,
        detail=choice.detail,
        router_ms=(time.perf_counter() - started) * 1000,
        truncated=choice.truncated,
        inflated=inflated,
        caller=caller,
        edits=bodies.edits,
    )
