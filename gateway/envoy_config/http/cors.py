"""Which web pages may ask from a browser, and what they may send and see: none, unless the operator says so (CORS)."""

from envoy.extensions.filters.http.lua.v3 import lua_pb2

from gateway.envoy_config.lua import filters as lua_filters
from gateway.envoy_config.parts.options import Options

CORS = f"{lua_filters.NAME}.cors"
_SEEN = ("x-request-id", "retry-after", "x-routerdc-llm", "x-routerdc-reason", "x-routerdc-time-ms")
_SENT = (
    "authorization",
    "x-api-key",
    "content-type",
    "x-routerdc-session",
    "traceparent",
    "openai-beta",
    "anthropic-version",
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    # What the official JavaScript clients say of themselves.
    *(f"x-stainless-{name}" for name in ("lang", "package-version", "os", "arch", "runtime", "runtime-version")),
    *(f"x-stainless-{name}" for name in ("retry-count", "timeout", "helper-method")),
)


def cors(options: Options) -> lua_pb2.Lua:
    """The filter that says so to browsers."""
    return lua_filters.filter_of(
        "refuse.lua",
        "cors.lua",
        ORIGINS=dict.fromkeys(options.cors_origins, True),
        METHODS="GET, POST",
        SENT=", ".join(_SENT),
        SEEN=", ".join(_SEEN),
    )
