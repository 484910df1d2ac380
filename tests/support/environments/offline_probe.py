"""Runs code in a network namespace without routes, and says what it looked up and what it left in its home folder.

    unshare --map-root-user --net --mount python offline_probe.py CODE

Prints JSON: {"asked": host names, "home": files}. The only name server there is one of its own, which knows no name.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

TELEMETRY_IS_OFF = ("ORT_DISABLE_TELEMETRY", "CI")
"""Variables at which ONNX Runtime says nothing by itself; without them it is as on a user's machine."""


def main() -> None:
    """The probe."""
    code = sys.argv[1]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asked: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        names, home = Path(folder) / "resolv.conf", Path(folder) / "home"
        names.write_text("nameserver 127.0.0.1\n")
        home.mkdir()
        subprocess.run(["mount", "--bind", names, Path("/etc/resolv.conf").resolve()], check=True)
        threading.Thread(target=_serve_names, args=(asked,), daemon=True).start()
        environment = {name: value for name, value in os.environ.items() if name not in TELEMETRY_IS_OFF}
        subprocess.run([sys.executable, "-c", code], env=environment | {"HOME": str(home)}, check=True, timeout=300)
        left = [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]
        subprocess.run(["umount", Path("/etc/resolv.conf").resolve()], check=True)
    print(json.dumps({"asked": sorted(asked), "home": left}))


def _serve_names(asked: set[str]) -> None:
    """Answers every question with "no such name"."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        while True:
            question, peer = server.recvfrom(512)
            asked.add(_name(question))
            server.sendto(question[:2] + b"\x81\x83" + question[4:6] + bytes(6) + question[12:], peer)


def _name(question: bytes) -> str:
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels)


if __name__ == "__main__":
    main()
