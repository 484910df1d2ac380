"""What every test of the gateway has: its log events, and `start`, which runs a real server."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog

from tests.support.gateways.running import SETTINGS, Running, endpoints_file, start

__all__ = ["SETTINGS", "Running", "endpoints_file", "start"]


@pytest.fixture(autouse=True)
def events() -> Iterator[list[MutableMapping[str, Any]]]:
    """Everything that is logged, at every level."""
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as captured:
        yield captured
