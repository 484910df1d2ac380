"""The aiohttp application: paths, API keys, and errors as JSON. What is decided, and how, is not known here."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from aiohttp import web
from google.protobuf import json_format
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from gateway.config.groups import Deadlines, Limits
from gateway.domain.query import RouteQuery
from gateway.errors import InvalidRequestError, UnauthenticatedError
from gateway.grpc_api import answering, auth, responses
from gateway.grpc_api.requests import checked, within_limit
from gateway.http_api import deciding, errors, explaining, openai_decisions, openapi, systemone
from gateway.http_api.bodies import Bodies
from gateway.http_api.errors import QuestionError, UndecidedError
from gateway.http_api.texts import Asked
from gateway.limits import caller
from gateway.limits.caller import Callers
from gateway.routing import history
from gateway.routing.router import Router
from gateway.scoring.nearest import Nearest
from gateway.telemetry.metrics import Metrics
from routerdc_contract.faults import said
from routerdc_contract.v1 import router_pb2 as pb

log = structlog.get_logger("gateway.http_api")

FROM_A_PAGE = "web pages may not ask here: programs do, without the header Origin"
_ROOM_BYTES = 256 * 1024  # of a body beside the text to route

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Model = TypeVar("Model", bound=BaseModel)


class HttpApi:
    """Serves a `Router` over HTTP."""

    def __init__(
        self,
        router: Router,
        metrics: Metrics,
        limits: Limits,
        deadlines: Deadlines,
        callers: Callers | None,
        nearest: Nearest,
    ) -> None:
        """`callers`: whose API keys are known, None: anybody may ask; `nearest`: training queries near to one."""
        self.metrics = metrics
        self._router = router
        self._limits = limits
        self._deadlines = deadlines
        self._callers = callers
        self._nearest = nearest
        self._bodies = Bodies()

    def application(self) -> web.Application:
        """The application, to be served."""
        size = self._limits.max_query_bytes + _ROOM_BYTES
        application = web.Application(client_max_size=size, middlewares=[self._answered])
        application.router.add_post("/v1/route", self.route)
        application.router.add_post("/v1/systemone", self.systemone)
        application.router.add_post("/v1/decisions", self.decisions)
        application.router.add_get("/openapi.json", self.description)
        return application

    async def route(self, request: web.Request) -> web.Response:
        """RouteRequest → RouteResponse."""
        message = _message(await self._bodies.read(request))
        explain = request.query.get("explain") == "true"
        auth.charge(1)
        pool = self._router.pool
        query = auth.authorized(checked(message, pool.names, self._limits.max_query_bytes), message.allowed_llms)
        wanted = query._replace(max_candidates=len(pool.names)) if explain else query
        decision = await self._router.route(wanted, self._deadlines.of_query())
        answer = responses.route_response(decision._replace(candidates=decision.candidates[: query.max_candidates]))
        body = json_format.MessageToDict(
            answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        if explain:
            near = None
            if decision.bundle_id:
                near = await self._nearest(history.decisive_text(query, self._router.bundle.max_tokens))
            body["explain"] = explaining.explained(decision, pool, query.rules, auth.rights()[1], near)
        return _answer(body)

    async def systemone(self, request: web.Request) -> web.Response:
        """System One's protocol."""
        read = _read(systemone.SystemOneRequest, await self._bodies.read(request))
        questions = systemone.read(read, self._router.pool)
        query = self._query(systemone.asked(read), "state")
        found, decision = await deciding.answers(self._router, query, questions, self._deadlines.of_query())
        return _answer(systemone.written(read, found, decision.token_count))

    async def decisions(self, request: web.Request) -> web.Response:
        """OpenAI's Decisions API."""
        read = _read(openai_decisions.DecisionsRequest, await self._bodies.read(request))
        questions = openai_decisions.read(read, self._router.pool)
        query = self._query(openai_decisions.asked(read), "input")
        found, decision = await deciding.answers(self._router, query, questions, self._deadlines.of_query())
        return _answer(openai_decisions.written(read, found, decision.token_count))

    async def description(self, request: web.Request) -> web.Response:
        """The OpenAPI description."""
        return _answer(openapi.description())

    def _query(self, asked: Asked, field: str) -> RouteQuery:
        """What is asked, within the limits and the caller's rights; charged."""
        limit = self._limits.max_query_bytes
        chat = None if asked.conversation is None else asked.conversation.within(limit)
        text = within_limit(asked.text, field, limit) if chat is None else chat.text
        if not text.strip():
            raise InvalidRequestError(field, "there is no text to judge")
        auth.charge(1)
        return auth.authorized(deciding.unconditional(asked, text, chat), ())

    @web.middleware
    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if "origin" in request.headers:
                raise web.HTTPForbidden(reason=FROM_A_PAGE)
            if self._callers is not None and request.path != "/openapi.json":
                caller.current.set(self._callers.identify(request.headers.get("authorization")))
            return await handler(request)
        except QuestionError as error:
            return errors.response(422, str(error), error.param)
        except UndecidedError as error:
            return errors.response(503, f"nothing can be decided now: {error}", headers={"Retry-After": "1"})
        except ValidationError as error:
            first = error.errors()[0]
            param = ".".join(map(str, first["loc"])) or "body"
            return errors.response(422, f"{param}: {said(first)}", param)
        except web.HTTPException as error:
            return errors.response(error.status, error.reason, headers=_kept(error))
        except UnauthenticatedError as error:
            self.metrics.error("UNAUTHENTICATED")
            return errors.response(401, str(error), headers={"WWW-Authenticate": "Bearer"})
        except Exception as error:
            return errors.of_error(error, answering.of(error, "", self.metrics))
        finally:
            self._bodies.forget(request)


def _answer(body: dict[str, Any]) -> web.Response:
    return web.Response(body=to_json(body), content_type="application/json")


def _message(body: bytes) -> pb.RouteRequest:
    """The RouteRequest in `body`.

    Raises:
        InvalidRequestError: it is no JSON, or no RouteRequest.
    """
    if not body.lstrip().startswith(b"{"):
        raise InvalidRequestError("body", "is no RouteRequest in JSON: it must be an object")
    try:
        return json_format.Parse(body, pb.RouteRequest(), max_recursion_depth=20)
    except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError("body", f"is no RouteRequest in JSON: {str(error)[:300]}") from None


def _read(model: type[Model], body: bytes) -> Model:
    """The request in `body`.

    Raises:
        ValidationError: it is no JSON, or not such a request.
        InvalidRequestError: a name stands twice in an object; which of the two counts depends on who reads it.
    """
    read = model.model_validate_json(body)
    _names.decode(body.decode())
    return read


def _different(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise InvalidRequestError("body", f"has {name[:50]!r} twice in one object: send one")


_names = json.JSONDecoder(object_pairs_hook=_different, parse_int=str)


def _kept(error: web.HTTPException) -> dict[str, str]:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
