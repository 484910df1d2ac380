"""The metrics over HTTP: a small server in threads, for scrapers that are let in by the network's rules.

A scrape takes milliseconds, so a request that is not complete in seconds is dropped, and few are answered at once: a
half request costs a thread, and nobody needs an API key to send one.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from gateway.app.listening.ports import bindable, port_in_use
from gateway.config.settings import Settings
from gateway.telemetry.metrics import Metrics

MAX_REQUESTS = 16
REQUEST_SECONDS = 5.0


@contextmanager
def metrics_server(settings: Settings, metrics: Metrics) -> Iterator[int]:
    """Exposes `metrics` while the block runs; gives the port.

    Raises:
        PortInUseError: it cannot have the one in `settings`.
    """
    host, port = bindable(settings.listen.host), settings.listen.metrics_port
    try:
        server = _server(host, port)
    except OSError:
        raise port_in_use(settings.listen.host, port, "metrics-port") from None
    server.set_app(make_wsgi_app(metrics.registry))
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, which looks for its end twice a second only
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, *_: Any) -> None:
        """Scrapes are not logged."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False  # a half request is not waited for
    request_queue_size = 128  # of the five that are usual, the sixth connection at once is tried again after a second

    def __init__(self, address: tuple[str, int]) -> None:
        self._room = threading.BoundedSemaphore(MAX_REQUESTS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without WSGIServer's lookup of the host's own name, which may hang."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answers in a thread; where there are too many already, the connection is closed."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """As the base does, and leaves."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or is too slow, is nothing to tell."""


def _server(host: str, port: int) -> _Server:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    kind = type("_Server", (_Server,), {"address_family": family})
    server: _Server = kind((host, port))
    return server
