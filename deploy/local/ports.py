"""TCP ports of the local stack: free ones, and a clear word about taken ones."""

import socket

LOCALHOST = "127.0.0.1"


class PortError(RuntimeError):
    """A port that cannot be had; the message names it, what it is for and what to do."""


def claim(port: int, purpose: str, cure: str, host: str = LOCALHOST) -> int:
    """`port` if nobody listens there; any free one for 0. (Between this and its use somebody else may take it.)

    Args:
        purpose: what the port is for, as in "Triton's gRPC".
        cure: how to choose another one, as in "--grpc-port".

    Raises:
        PortError: it is in use, or this user may not use it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left counts as free
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortError(
                f"port {port} ({purpose}) cannot be used: {error.strerror}: "
                f"stop what uses it (see: ss -ltnp 'sport = :{port}') or choose another with {cure}"
            ) from None
        chosen: int = probe.getsockname()[1]
        return chosen
