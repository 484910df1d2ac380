"""HOST PORT: `open` if a connection is let through."""

import socket
import sys

if __name__ == "__main__":
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5).close()
        print("open")
    except OSError as error:
        print("closed:", error)
