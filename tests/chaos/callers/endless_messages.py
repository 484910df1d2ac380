"""A caller without a key who sends large messages to the health service, each on a connection of its own.

    python -m tests.chaos.callers.endless_messages ADDRESS BEGUN_FILE

It goes on until it is stopped; the file is there once it has begun.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc

MESSAGE = b"\0" * (200 * 2**20)


def main(address: str, begun_file: str) -> None:
    """Sends for ever."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    Path(begun_file).touch()
    while True:
        with grpc.insecure_channel(address, options=options) as channel, suppress(grpc.RpcError):
            call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
            call(MESSAGE, timeout=30)


if __name__ == "__main__":
    main(*sys.argv[1:])
