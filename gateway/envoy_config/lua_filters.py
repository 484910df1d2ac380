"""The two Lua filters: what must happen inside Envoy because it must also happen when the gateway is down.

`fail_open` takes a request on that the gateway has not decided; `adapt` gives it the path and the model name of the
endpoint that it goes to, again for every attempt.
"""

from importlib import resources

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2

NAME = "envoy.filters.http.lua"


def fail_open() -> lua_pb2.Lua:
    """In the listener's filters, after the external processor."""
    return _filter("fail_open.lua")


def adapt() -> lua_pb2.Lua:
    """In a cluster's own filters."""
    return _filter("adapt.lua")


def _filter(file: str) -> lua_pb2.Lua:
    folder = resources.files("gateway.envoy_config")
    source = "\n".join((folder / name).read_text(encoding="utf-8") for name in ("model_span.lua", file))
    return lua_pb2.Lua(default_source_code=base_pb2.DataSource(inline_string=source))
