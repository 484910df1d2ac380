"""TCP ports of the local stack: free ones, and a clear word about taken ones."""

import random
import socket
from collections.abc import Iterable
from pathlib import Path

LOCALHOST = "127.0.0.1"
LOWEST = 10240
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")  # "32768\t60999"
TRIES = 50
_given = set[int]()


class PortError(RuntimeError):
    """A port that cannot be had; the message names it, what it is for and what to do."""


def claim(port: int, purpose: str, cure: str, host: str = LOCALHOST) -> int:
    """`port` if nobody listens there; for 0 a free one of those that the system gives to nobody who asks for any.

    So it stays free until it is used, unless somebody wants just this one. No free port is given twice by one process.

    Args:
        purpose: what the port is for, as in "Triton's gRPC".
        cure: how to choose another one, as in "--grpc-port".

    Raises:
        PortError: it is in use, or this user may not use it.
    """
    for candidate in () if port else _candidates():
        try:
            _given.add(_bound(host, candidate))
        except OSError:
            continue
        return candidate
    try:
        return _bound(host, port)
    except OSError as error:
        raise PortError(
            f"port {port} ({purpose}) cannot be used: {error.strerror}: "
            f"stop what uses it (see: ss -ltnp 'sport = :{port}') or choose another with {cure}"
        ) from None


def _bound(host: str, port: int) -> int:
    """The port that a socket gets there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left counts as free
        probe.bind((host, port))
        chosen: int = probe.getsockname()[1]
        return chosen


def _candidates() -> Iterable[int]:
    """Some ports below the range from which the system picks free ones, in random order; empty without such a range.

    None that was given before: it may be waiting for the server that gets it.
    """
    try:
        ephemeral = int(EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return ()
    ports = range(LOWEST, ephemeral)
    return [port for port in random.sample(ports, min(TRIES, len(ports))) if port not in _given]
