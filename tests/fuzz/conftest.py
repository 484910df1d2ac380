"""Quiet: what callers do wrong is logged at level debug, thousands of times here."""

from collections.abc import Iterator

import pytest
import structlog

from gateway import logs


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logs.configure("error")
    yield
    structlog.reset_defaults()
