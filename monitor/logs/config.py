"""How the server's log looks: records of refused requests are short, and all are lines of monitor/logs/lines.py."""

from __future__ import annotations

import logging
from typing import Any

from monitor.http.request_id import with_request_id
from monitor.logs.level import SERVER_PARTS, level_of_server_parts
from monitor.logs.lines import LogFormat


def logging_config(log_format: LogFormat, log_level: str, secrets: tuple[str, ...]) -> dict[str, Any]:
    """For logging.config.dictConfig, which Django calls at its start. The servers' own handlers give way to ours."""
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
            # It writes addresses with their query; ours (monitor/http/request_id.py) does not.
            "uvicorn.access": {"handlers": [], "level": "WARNING"},
            "gunicorn.error": to_console,
        },
    }


def without_traceback_of_refusals(record: logging.LogRecord) -> bool:
    """A filter that lets every record pass. Django logs requests it refuses (a host name that is not ours, too many
    parameters) with the traceback of its own check: nothing to mend there, and pages of it for whoever scans us.
    """
    if record.name.startswith("django.security.") or (
        record.name == "django.request" and record.levelno < logging.ERROR
    ):
        record.exc_info = record.exc_text = None
    return True
