"""A callback of LiteLLM's proxy: each call's `standard_logging_object`, one JSON line, into $LOGGED."""

import json
import os
from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger


class Logger(CustomLogger):
    """Writes what LiteLLM gives to every logger."""

    async def async_log_success_event(self, kwargs: dict[str, Any], *_: Any, **__: Any) -> None:
        """A call that was answered."""
        _write(kwargs)

    async def async_log_failure_event(self, kwargs: dict[str, Any], *_: Any, **__: Any) -> None:
        """A call that failed."""
        _write(kwargs)


def _write(kwargs: dict[str, Any]) -> None:
    with Path(os.environ["LOGGED"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(kwargs["standard_logging_object"], default=str) + "\n")


logger = Logger()
