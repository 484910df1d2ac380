"""Structured logs: one JSON object a line on stderr.

Prompts are never logged: events carry request id, LLM, reason, times and token counts. Nothing here filters; it is the
call sites that know no text.
"""

import sys

import structlog


def configure(level: str) -> None:
    """Sets up structlog for the process; `level` is debug, info, warning or error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
