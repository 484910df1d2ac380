"""Small things about protobufs that every part of the configuration needs, and the way from protobuf to plain data."""

import ipaddress
import json
from typing import Any

import yaml
from envoy.config.core.v3 import address_pb2, base_pb2, extension_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from google.protobuf import any_pb2, duration_pb2, json_format, struct_pb2
from google.protobuf.message import Message
from xds.type.v3 import typed_struct_pb2

_TYPE_URLS = "type.googleapis.com/"


def packed(message: Message) -> any_pb2.Any:
    """`message` as Any."""
    holder = any_pb2.Any()
    holder.Pack(message)
    return holder


def extension(name: str, config: Message) -> extension_pb2.TypedExtensionConfig:
    """An extension of Envoy with its configuration."""
    return extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(config))


def newer(type_name: str, **fields: Any) -> typed_struct_pb2.TypedStruct:
    """A message of Envoy's API that the published Python protobufs do not have yet, or not with all its fields.

    TypedStruct is Envoy's own way to give an extension's configuration without having its protobuf.
    """
    value = struct_pb2.Struct()
    value.update(fields)
    return typed_struct_pb2.TypedStruct(type_url=_TYPE_URLS + type_name, value=value)


def address(host: str, port: int) -> address_pb2.Address:
    """A TCP address; `::` is every address of this machine, IPv4's too."""
    every = address_pb2.SocketAddress(address=host, port_value=port, ipv4_compat=host == "::")
    return address_pb2.Address(socket_address=every)


def overwrite(key: str, value: str) -> base_pb2.HeaderValueOption:
    """Sets a header, whatever it was."""
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=key, value=value),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def matching(expression: str) -> string_pb2.StringMatcher:
    """What a regular expression matches as a whole."""
    return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=expression))


def seconds(value: float) -> duration_pb2.Duration:
    """A protobuf duration."""
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(round(value * 1e9))
    return duration


def is_ip(host: str) -> bool:
    """Whether `host` is an address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def plain(message: Message) -> dict[str, Any]:
    """`message` as JSON data, in the form that Envoy reads."""
    data: dict[str, Any] = json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))
    return data


def as_yaml(data: dict[str, Any]) -> str:
    """`data` as YAML, the same for the same data, with programs inside it readable."""
    return yaml.dump(data, Dumper=_Dumper, width=120)


class _Dumper(yaml.CSafeDumper):
    pass


def _string(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _string)
