"""The peer at the other end of a connection, where no API key names the caller."""

from typing import Any
from urllib.parse import unquote


def host_of(context: Any) -> str:
    """The caller's host without the port: every connection of one host counts as one caller."""
    peer = unquote(context.peer())  # "ipv4:10.0.0.7:51234", "ipv6:[::1]:51234", "unix:…"
    return peer if peer.startswith("unix") else peer.rpartition(":")[0]
