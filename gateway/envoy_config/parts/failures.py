"""Which answers of an LLM's server are failures: another candidate is tried, and who has failed rests for a while.

    status             means                                            the request      the endpoint
    429, 503, 529 ...  it has too much to do, or its quota is used up   next candidate   rests for its Retry-After
    408, 409, 425      this attempt was unlucky                         next candidate
    500, 502, 504, 52x it is broken, or what it runs behind is          next candidate
    401, 402           it does not take our key, or our money           next candidate   rests for KEY_REST_SECONDS
    403, 404           it will not, or has no such model                next candidate   rests where it refuses all
    301, 302, 307 ...  the address is not its own                       next candidate   the same
    400, 413, 415 ...  if it says that the LLM lacks something          next candidate
                       else the request is at fault                     this answer      none

Only what no request can bring about takes an endpoint away from others: the key is ours, Retry-After is the server's
own word; but a prompt may earn a 403, an id of a stored answer a 404, and a strange body a 500. So an endpoint that
answers 403, 404 or a redirect to one caller MAX_REFUSALS times, and has answered nobody else in the meantime, rests for
that caller alone; once two callers are refused like that, for everybody.
"""

from envoy.config.common.matcher.v3 import matcher_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from gateway.envoy_config.parts.dump import matching

SERVER_FAULTS = (502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530)
"""The server, or what it runs behind, says that it cannot serve, whoever asks."""
TRANSIENT = (408, 409, 425, 429, 500, *SERVER_FAULTS)
"""Failures that may be over a moment later, or next door."""
KEY_FAULTS = (401, 402)
"""Failures that only our own key can bring about."""
MISPLACED = (301, 302, 303, 307, 308, 403, 404)
"""Failures of this endpoint's address, model or rules."""
LACKING = (400, 413, 415, 422, 501)
"""Failures of the request, or of this LLM for lack of what the request needs: the answer's words tell which."""
LACKING_WORDS = (
    "not support",
    "n't support",
    "unsupported",
    "not a multimodal model",
    "in one prompt",  # vLLM: "at most 0 image(s) may be provided in one prompt"
    "requires --enable",  # vLLM: "auto" tool choice requires --enable-auto-tool-choice
    "context length",
    "context_length_exceeded",
    "context window",
    "prompt is too long",
)
"""By these an answer with a status of `LACKING` says so, in lower case."""
RETRIED = (*TRANSIENT, *KEY_FAULTS, *MISPLACED)

KEY_REST_SECONDS = 10
MAX_REFUSALS = 5
REFUSAL_REST_SECONDS = 10
MAX_REST_SECONDS = 3600
"""A longer Retry-After counts as this: somebody may have raised the quota."""
RETRY_HEADER = "x-routerdc-retry"
"""How adapt.lua tells Envoy's router to go on to the next attempt; no client sees it."""


def outlier_matcher() -> http_protocol_options_pb2.HttpProtocolOptions.OutlierDetection:
    """Which answers count against a host of several that are alike, beside failures to connect and to begin."""
    statuses = "|".join(map(str, (*SERVER_FAULTS, *KEY_FAULTS)))
    header = route_components_pb2.HeaderMatcher(name=":status", string_match=matching(statuses))
    headers = matcher_pb2.HttpHeadersMatch(headers=[header])
    return http_protocol_options_pb2.HttpProtocolOptions.OutlierDetection(
        error_matcher=matcher_pb2.MatchPredicate(http_response_headers_match=headers)
    )
