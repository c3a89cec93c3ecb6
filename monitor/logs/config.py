"""The configuration of the log: one format for all loggers, levels, and short records of rejected requests."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from monitor.http.request_id import with_request_id
from monitor.logs.lines import LogFormat, lines_of
from monitor.logs.output import LineHandler

SERVER_PARTS = ("daphne", "asyncio", "twisted")


def logging_config(log_format: LogFormat, log_level: str, secrets: tuple[str, ...]) -> dict[str, Any]:
    """For logging.config.dictConfig, which Django calls when it starts. Replaces the servers' own handlers."""
    to_console = {"handlers": ["console"], "propagate": False}
    of_server_parts = level_of_server_parts(log_level)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": "monitor.logs.lines.lines_of", "log_format": log_format, "secrets": secrets}},
        "handlers": {
            "console": {
                "class": "monitor.logs.output.LineHandler",
                "formatter": "lines",
                "filters": [without_traceback_of_refusals, with_request_id],
            }
        },
        "root": {"handlers": ["console"], "level": log_level},
        "loggers": {
            "django": {**to_console, "level": "INFO"},
            **{name: {"level": of_server_parts} for name in SERVER_PARTS},
            "uvicorn": {**to_console, "level": of_server_parts},
            # It logs paths with their query; our access log (monitor/http/request_id.py) does not.
            "uvicorn.access": {"handlers": [], "level": "WARNING"},
            "gunicorn.error": to_console,
        },
    }


def level_of_server_parts(log_level: str) -> str:
    """Their INFO records are chatter about starting, useful only for debugging."""
    return "DEBUG" if log_level == "DEBUG" else "WARNING"


def set_log_level(log_level: str) -> None:
    """Change the level of this process."""
    logging.getLogger().setLevel(log_level)
    for name in SERVER_PARTS:
        logging.getLogger(name).setLevel(level_of_server_parts(log_level))


@contextlib.contextmanager
def logging_before_setup(log_format: LogFormat) -> Iterator[None]:
    """Write records in this format while Django reads its settings, when the log is not configured yet."""
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    handler = LineHandler()
    handler.setFormatter(lines_of(log_format))
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def without_traceback_of_refusals(record: logging.LogRecord) -> bool:
    """A filter that rejects nothing. Django logs requests that it refuses (an unknown host, too many parameters) with the
    traceback of its own check: there is nothing to fix, and a scanner would fill the log.
    """
    if record.name.startswith("django.security.") or (
        record.name == "django.request" and record.levelno < logging.ERROR
    ):
        record.exc_info = record.exc_text = None
    return True
