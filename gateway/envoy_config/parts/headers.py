"""Which headers pass: from a caller into Envoy, outwards to an LLM's server, and inwards from it.

Outwards is an allow list, so that a credential that nobody has thought of stays with us. Inwards is a list of what only
we may say, and of what would act on callers in our name; the rest of an LLM's answer is the caller's business.
"""

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2
from envoy.type.matcher.v3 import string_pb2

from gateway.envoy_config.parts.dump import extension
from gateway.openai.mutations import ENDPOINT_HEADER, LLM_HEADER, MODEL_HEADER

OUTWARD = (
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",  # always application/json: with a charset some servers would read other keys than we did
    "user-agent",
    "x-request-id",
    "traceparent",
    "tracestate",
    "openai-beta",
    "anthropic-version",
    "anthropic-beta",
)
"""Request headers that reach an LLM's server, beside `Host` and the endpoint's own API key."""
OUTWARD_QUERY = "beta=true"
"""What reaches it of a caller's query: Anthropic's clients send this. Servers read models, versions and keys there."""

INWARD_REMOVED = (
    "x-routerdc-",
    "x-envoy-",
    "x-gateway-",
    "access-control-",  # CORS is the operator's to allow
    "set-cookie",
    "alt-svc",  # would lead clients past Envoy
    "strict-transport-security",
    "clear-site-data",
    "refresh",
    "www-authenticate",
    "openai-organization",  # whose account the operator's key is
    "openai-project",
)
"""Response headers of an LLM's server, by how they begin, that do not reach a caller."""

STEERING_PREFIX = "x-envoy-"
"""Headers of this prefix steer Envoy: retries, timeouts, names of statistics."""
INTERNAL_HEADERS = (LLM_HEADER, MODEL_HEADER, ENDPOINT_HEADER)
"""Headers by which the gateway tells proxies its decision: not for callers to send."""
CALLERS_CREDENTIALS = (
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
    "x-auth-token",
    "openai-organization",
    "openai-project",
    "cookie",
)
"""What proxies that cannot have an allow list (the Gateway API) remove before a request leaves."""


def at_the_edge() -> extension_pb2.TypedExtensionConfig:
    """Removes what nobody outside may say, before Envoy reads any of it, whatever the caller's address."""
    mutation = mutation_rules_pb2.HeaderMutation
    steering = mutation.RemoveOnMatch(key_matcher=string_pb2.StringMatcher(prefix=STEERING_PREFIX))
    mutations = [mutation(remove_on_match=steering), *(mutation(remove=name) for name in INTERNAL_HEADERS)]
    return extension(
        "envoy.http.early_header_mutation.header_mutation", header_mutation_pb2.HeaderMutation(mutations=mutations)
    )
