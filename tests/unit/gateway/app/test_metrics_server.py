"""The metrics' own server, without a gateway around it."""

import time
from functools import partialmethod

import pytest

from gateway.app.listening.metrics_server import _Server, metrics_server
from gateway.telemetry.metrics import Metrics
from tests.support.gateways.running import SETTINGS


def test_its_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop waits for it, and with it the calls that are still being answered."""
    monkeypatch.setattr(_Server, "serve_forever", partialmethod(_Server.serve_forever, poll_interval=60))
    begun = time.monotonic()
    with metrics_server(SETTINGS.changed(metrics_port=0), Metrics()):
        pass
    assert time.monotonic() - begun < 30
