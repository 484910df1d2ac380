import socket

import pytest

from deploy.local.ports import LOCALHOST, PortError, claim


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
