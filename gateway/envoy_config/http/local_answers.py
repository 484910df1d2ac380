"""Routes that end in Envoy, with a gateway or without: what there is, which methods it takes, which models."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.ext_proc.v3 import ext_proc_pb2
from envoy.type.matcher.v3 import regex_pb2

from gateway.envoy_config.lua import filters as lua_filters
from gateway.envoy_config.parts.dump import matching, overwrite, packed
from gateway.envoy_config.parts.options import Options
from gateway.envoy_config.parts.without_gateway import MODELS, WithoutGateway
from gateway.openai.apis import APIS, paths
from gateway.openai.bodies.answers import OpenAiError
from gateway.policy.capabilities import ApiProtocol

EXT_PROC = "envoy.filters.http.ext_proc"
_NOT_REACHABLE = OpenAiError(503, "the router is not reachable", code="router_unavailable")
_STORED = "/v1/(responses|conversations|chat/completions|messages/batches)"
_NOT_STORED_HERE = OpenAiError(
    404,
    "what is stored is at the provider of the LLM that answered (x-routerdc-llm): ask there, with your own key; "
    "only new requests are routed",
    code="stored_at_the_provider",
)

Match: TypeAlias = route_components_pb2.RouteMatch


def local_answers(known: WithoutGateway, options: Options) -> Iterator[route_components_pb2.Route]:
    """All of them, in the order in which they are tried; they come after the route to the LLMs."""
    for protocol in ApiProtocol:
        yield from _methods({"safe_regex": _regex("|".join(paths(protocol)))}, "POST, OPTIONS", protocol)
    models = {"safe_regex": _regex(f"{MODELS}(/.*)?")}
    if not options.fail_closed:  # what is listed where keys are asked for is for the gateway to say
        for path, answer in known.models.items():
            yield _answer(Match(path=path, headers=[_method("GET", "HEAD")]), 200, answer, asked=True)
    yield _error(Match(**models, headers=[_method("GET", "HEAD")]), _NOT_REACHABLE, asked=True)
    yield from _methods(models, "GET, HEAD, OPTIONS")
    yield _error(Match(safe_regex=_regex(f"{_STORED}/.*")), _NOT_STORED_HERE)
    what = f"there is POST {', '.join(APIS)}, GET {MODELS}"
    yield _error(Match(prefix="/"), OpenAiError(404, what))


def largest(known: WithoutGateway) -> int:
    """Bytes of the longest answer: Envoy needs the size if it is more than 4 KiB."""
    return max(4096, *(len(answer) for answer in known.models.values()))


def _methods(
    path: Mapping[str, regex_pb2.RegexMatcher], allowed: str, protocol: ApiProtocol = ApiProtocol.OPENAI
) -> Iterator[route_components_pb2.Route]:
    """What answers the methods that `path` has no use for, and OPTIONS."""
    allow = {"allow": allowed}
    yield _answer(Match(**path, headers=[_method("OPTIONS")]), 204, b"", allow)
    error = OpenAiError(405, f"method not allowed; there is {allowed}")
    yield _answer(Match(**path), error.status, error.body(protocol), allow)


def _regex(expression: str) -> regex_pb2.RegexMatcher:
    return regex_pb2.RegexMatcher(regex=expression)


def _method(*names: str) -> route_components_pb2.HeaderMatcher:
    return route_components_pb2.HeaderMatcher(name=":method", string_match=matching("|".join(names)))


def _error(match: Match, error: OpenAiError, *, asked: bool = False) -> route_components_pb2.Route:
    return _answer(match, error.status, error.body(), asked=asked)


def _answer(
    match: Match, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, asked: bool = False
) -> route_components_pb2.Route:
    """`asked`: the gateway is asked first, and this is what is left without it."""
    off = {lua_filters.NAME: packed(route_components_pb2.FilterConfig(disabled=True))}
    if not asked:
        off[EXT_PROC] = packed(ext_proc_pb2.ExtProcPerRoute(disabled=True))
    told = {"content-type": "application/json"} | dict(headers or {})
    return route_components_pb2.Route(
        match=match,
        direct_response=route_components_pb2.DirectResponseAction(
            status=status, body=base_pb2.DataSource(inline_bytes=body) if body else None
        ),
        response_headers_to_add=[overwrite(name, value) for name, value in told.items()],
        typed_per_filter_config=off,
    )
