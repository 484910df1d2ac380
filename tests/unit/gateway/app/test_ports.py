import json
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from gateway.app.listening import ports
from gateway.app.listening.ports import Ports, public_options, write_ports
from gateway.config.settings import Settings
from gateway.errors import SettingsError


def test_ports_are_written_as_json(tmp_path: Path) -> None:
    write_ports(tmp_path / "ports.json", Ports(grpc=1, metrics=2))
    assert json.loads((tmp_path / "ports.json").read_text(encoding="utf-8")) == {"grpc": 1, "metrics": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["ports.json"]


def test_a_ports_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="ports_file cannot be written"):
        write_ports(tmp_path / "file" / "ports.json", Ports(1, 2))


async def test_connections_end_after_a_while_and_no_call_fails_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "CONNECTION_AGE_SECONDS", 0.1)
    peers = set()

    async def answer(request: bytes, context: Any) -> bytes:
        peers.add(context.peer())
        return request

    server = aio.server(options=public_options(Settings()))
    handlers: dict[str, Any] = {"Echo": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        echo: Any = channel.unary_unary("/test/Echo")
        end, calls = time.monotonic() + 1.5, 0
        while time.monotonic() < end:
            assert await echo(b"x", timeout=5) == b"x"
            calls += 1
    await server.stop(None)
    assert len(peers) > 3
    assert calls > 50
