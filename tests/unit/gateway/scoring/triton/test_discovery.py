import asyncio
import socket
from typing import Any

import pytest

from gateway.errors import ScorerUnavailableError
from gateway.scoring.triton.discovery import Discovery, split


class Names:
    """Name server whose records a test writes down; a name without a record is unknown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.records: dict[str, list[str]] = {}
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self._look_up)

    async def _look_up(self, host: str, port: int, **_: Any) -> list[Any]:
        if host not in self.records:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        kinds = [(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip) for ip in self.records[host]]
        return [(family, socket.SOCK_STREAM, 6, "", (ip, port)) for family, ip in kinds]


async def test_every_address_behind_a_name_is_one_and_changes_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    discovery = Discovery("dns:///triton:8001,other:8001")
    names.records["triton"] = ["10.0.0.2", "10.0.0.1", "10.0.0.1"]
    assert await discovery.addresses() == ["ipv4:10.0.0.1:8001", "ipv4:10.0.0.2:8001", "other:8001"]
    names.records["triton"] = ["10.0.0.2", "fd00::7"]
    assert await discovery.addresses() == ["ipv4:10.0.0.2:8001", "ipv6:[fd00::7]:8001", "other:8001"]


async def test_a_name_that_is_unknown_for_a_while_keeps_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    discovery = Discovery("dns:triton:8001")
    with pytest.raises(ScorerUnavailableError, match=r"no address for dns:triton:8001: .*not known"):
        await discovery.addresses()
    names.records["triton"] = ["10.0.0.1"]
    await discovery.addresses()
    del names.records["triton"]
    assert await discovery.addresses() == ["ipv4:10.0.0.1:8001"]


async def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any, **__: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    monkeypatch.setattr("gateway.scoring.triton.discovery.LOOKUP_TIMEOUT_SECONDS", 0.05)
    with pytest.raises(ScorerUnavailableError, match="the name server does not answer"):
        await Discovery("dns:///triton:8001").addresses()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("triton:8001", ["triton:8001"]),
        (",", [","]),
        ("a:1, b:2", ["a:1", "b:2"]),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", ["ipv4:10.0.0.1:1", "ipv4:10.0.0.2:1"]),
        ("dns:///a:1,dns:///b:1", ["dns:///a:1", "dns:///b:1"]),
    ],
)
def test_parts_are_separated_by_commas(text: str, expected: list[str]) -> None:
    assert split(text) == expected
