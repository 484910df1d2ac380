"""The Lua filters: what must happen inside Envoy because it must also happen when the gateway is down.

`fail_open` takes a request on that the gateway has not decided; `adapt` gives it what the endpoint that it goes to
needs, for every attempt. What that has to know of the endpoint is rendered before it as Lua constants: no name of
endpoints.yaml is ever part of a format string, a pattern or a header on the way.
"""

from collections.abc import Mapping, Sequence
from importlib import resources

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2

NAME = "envoy.filters.http.lua"
CODING = f"{NAME}.coding"
_FOLDER = resources.files("gateway.envoy_config.lua")

LuaValue = str | int | bool | Sequence["LuaValue"] | Mapping[str, "LuaValue"]


def fail_open(**constants: LuaValue) -> lua_pb2.Lua:
    """In the listener's filters, after the external processor; the route's metadata has the candidates.

    See resting.lua for the constants.
    """
    return filter_of("read_model.lua", "resting.lua", "refuse.lua", "fail_open.lua", **constants)


def coding(**constants: LuaValue) -> lua_pb2.Lua:
    """In the listener's filters, between the external processor and what inflates; see coding.lua for the constants."""
    return filter_of("refuse.lua", "coding.lua", **constants)


def adapt(**constants: LuaValue) -> lua_pb2.Lua:
    """In a cluster's own filters; see adapt.lua and rest.lua for the constants."""
    return filter_of("rest.lua", "adapt.lua", **constants)


def literal(value: LuaValue) -> str:
    """`value` as a Lua expression; text as bytes, each that is no letter, digit or plain mark by its number."""
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(_escaped(byte) for byte in value.encode()) + '"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"[{literal(key)}] = {literal(one)}" for key, one in value.items()) + "}"
    return "{" + ", ".join(map(literal, value)) + "}"


def _escaped(byte: int) -> str:
    character = chr(byte)
    plain = character.isascii() and (character.isalnum() or character in "-_/.:#@ ")
    return character if plain else f"\\{byte:03d}"


def filter_of(*files: str, **constants: LuaValue) -> lua_pb2.Lua:
    """A filter that runs the Lua of `files`, which find `constants` defined."""
    lines = [f"local {name} = {literal(value)}" for name, value in constants.items()]
    source = "\n".join([*lines, *((_FOLDER / file).read_text(encoding="utf-8") for file in files)])
    return lua_pb2.Lua(default_source_code=base_pb2.DataSource(inline_string=source))
