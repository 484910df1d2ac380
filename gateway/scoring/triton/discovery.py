"""Which Tritons there are: addresses as given, and all those behind a DNS name such as a Kubernetes headless service.

grpc looks a name up again only when a connection breaks, so it never finds the pods that autoscaling adds. Therefore
`dns:///name:port` is looked up here, again and again, and every address behind it is a Triton of its own: balanced by
load, probed and ejected alone. Does not know what a Triton is.
"""

import asyncio
import re
import socket
from collections.abc import Sequence

from gateway.errors import ScorerUnavailableError

LOOKUP_TIMEOUT_SECONDS = 2.0
_LOOKED_UP = re.compile(r"dns:(?:///)?(?P<host>[^/:]+|\[[^]]+\]):(?P<port>\d+)")


class Discovery:
    """The addresses in a setting such as "a:8001,b:8001", "ipv4:10.0.0.1:8001,10.0.0.2:8001" or "dns:///triton:8001"."""

    def __init__(self, text: str) -> None:
        self._parts = {part: _LOOKED_UP.fullmatch(part) for part in split(text)}
        self._known: dict[str, tuple[str, ...]] = {}

    async def addresses(self) -> Sequence[str]:
        """All of them now, as grpc takes them. A name that cannot be looked up keeps the addresses that it had.

        Raises:
            ScorerUnavailableError: nothing is known yet, because no name could be looked up; the message says why.
        """
        problems = await asyncio.gather(*(self._update(part) for part in self._parts))
        found = [address for part in self._parts for address in self._known.get(part, ())]
        if not found:
            raise ScorerUnavailableError("; ".join(filter(None, problems)))
        return list(dict.fromkeys(found))

    async def _update(self, part: str) -> str | None:
        name = self._parts[part]
        if name is None:
            self._known[part] = (part,)
            return None
        try:
            self._known[part] = await _look_up(name["host"], int(name["port"]))
        except (OSError, TimeoutError) as error:
            return f"no address for {part}: {str(error) or 'the name server does not answer'}"
        return None


async def _look_up(host: str, port: int) -> tuple[str, ...]:
    looking = asyncio.get_running_loop().getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    async with asyncio.timeout(LOOKUP_TIMEOUT_SECONDS):
        found = await looking
    return tuple(sorted({_target(family, address[0], port) for family, *_, address in found}))


def _target(family: int, ip: str | int, port: int) -> str:
    return f"ipv6:[{ip}]:{port}" if family == socket.AF_INET6 else f"ipv4:{ip}:{port}"


def split(text: str) -> list[str]:
    """The parts of a list such as "a:8001,b:8001" or, as grpc writes it, "ipv4:10.0.0.1:8001,10.0.0.2:8001"."""
    scheme = re.match(r"ipv[46]:", text)
    prefix = scheme.group() if scheme else ""
    return [prefix + part.strip() for part in text.removeprefix(prefix).split(",") if part.strip()] or [text]
