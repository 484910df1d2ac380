"""Quiet: what callers do wrong is logged at level debug, thousands of times here."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    # Not gateway.telemetry.logs.configure: loggers would keep this level for the tests that come after.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"), cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()
