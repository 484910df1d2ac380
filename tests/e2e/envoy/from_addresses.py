"""Sends one hostile request to a real Envoy from each of several addresses, and prints what came of it, as JSON.

    unshare --map-root-user --net python -m tests.e2e.envoy.from_addresses FOLDER

Runs in a network of its own, in which it may have any address. Envoy stands alone there: no gateway, one LLM.
"""

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from deploy.local.envoy import Envoy
from gateway.config.endpoints_file import EndpointsFile
from gateway.envoy_config.bootstrap import render
from gateway.envoy_config.parts.options import Options

ADDRESSES = ("127.0.0.1", "10.1.2.3", "172.16.5.6", "192.168.7.8", "8.9.10.11", "::1", "fd00::7", "2001:4860::8")
STEERING = {
    "x-envoy-retriable-status-codes": "200",
    "x-envoy-retry-on": "retriable-status-codes",
    "x-envoy-max-retries": "5",
    "x-envoy-upstream-alt-stat-name": "of-the-caller",
}
received: list[dict[str, str]] = []


class Llm(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        received.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """stdout is for the results."""


def main(folder: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES:
        subprocess.run(["ip", "addr", "add", address, "dev", "lo"], check=False, capture_output=True)
    llm = ThreadingHTTPServer(("127.0.0.1", 0), Llm)
    threading.Thread(target=llm.serve_forever, daemon=True).start()
    endpoint = {"address": f"http://127.0.0.1:{llm.server_port}/v1", "model": "a/model"}
    file = EndpointsFile.model_validate({"default": ["a"], "llms": {"a": {"endpoints": [endpoint]}}})
    results = [result(address, envoy) for host in ("0.0.0.0", "::") for address, envoy in served(file, host, folder)]
    print(json.dumps(results))


def served(file: EndpointsFile, host: str, folder: Path) -> Iterator[tuple[str, Envoy]]:
    """The addresses of the IP version of `host`, with an Envoy that listens to all of them."""
    options = Options(listen=(host, 0), admin=("127.0.0.1", 0), access_log=str(folder / "access.log"))
    config = folder / "envoy.yaml"
    config.write_text(yaml.safe_dump(render(file, options)), encoding="utf-8")
    with Envoy(config, log=folder / "envoy.log") as envoy:
        for address in ADDRESSES:
            if (":" in address) == (":" in host):
                yield address, envoy


def result(address: str, envoy: Envoy) -> dict[str, object]:
    received.clear()
    port = int(envoy.address.rpartition(":")[2])
    connection = http.client.HTTPConnection(address, port, source_address=(address, 0), timeout=10)
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}]})
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"} | STEERING)
    status = connection.getresponse().status
    pages = http.client.HTTPConnection(envoy.admin_address, timeout=10)
    pages.request("GET", "/stats")
    steered = [name for one in received for name in one if name.startswith("x-envoy")]
    alien = b"of-the-caller" in pages.getresponse().read()
    return {"from": address, "status": status, "attempts": len(received), "steered": steered, "alien_stats": alien}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
