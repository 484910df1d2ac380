import socket
from pathlib import Path

import pytest

from deploy.local.processes import ports
from deploy.local.processes.ports import EPHEMERAL_RANGE, LOCALHOST, LOWEST, PortError, claim


def test_zero_gives_a_free_port() -> None:
    port = claim(0, "the test", "--port")
    with socket.socket() as server:
        server.bind((LOCALHOST, port))
        assert server.getsockname()[1] == port > 0


def test_a_free_port_is_given_back() -> None:
    port = claim(0, "the test", "--port")
    assert claim(port, "the test", "--port") == port


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.socket() as server:
        server.bind((LOCALHOST, 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(PortError, match=rf"port {port} \(Triton's gRPC\) .*--triton-grpc-port"):
            claim(port, "Triton's gRPC", "--triton-grpc-port")


def test_a_free_port_is_none_that_the_system_gives_to_others_meanwhile() -> None:
    if not EPHEMERAL_RANGE.is_file():
        pytest.skip("this system does not say which ports it gives away")
    lowest, highest = map(int, EPHEMERAL_RANGE.read_text().split())
    if lowest <= LOWEST:
        pytest.skip("this system gives away all ports")
    assert not lowest <= claim(0, "the test", "--port") <= highest


def test_where_the_system_gives_away_all_ports_any_free_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in ("1024\t65535\n", "nonsense"):
        (tmp_path / "range").write_text(content)
        monkeypatch.setattr("deploy.local.processes.ports.EPHEMERAL_RANGE", tmp_path / "range")
        assert claim(0, "the test", "--port") > 0


def test_no_free_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one may not be listened on yet."""
    if not EPHEMERAL_RANGE.is_file():
        pytest.skip("this system does not say which ports it gives away")
    monkeypatch.setattr(ports, "LOWEST", int(EPHEMERAL_RANGE.read_text().split()[0]) - 20)
    monkeypatch.setattr(ports, "_given", set[int]())
    given = [claim(0, "the test", "--port") for _ in range(10)]
    assert len(set(given)) == 10
