"""How a log record looks: one line, and nothing a terminal obeys, so that what others send never passes for a record of ours."""

from __future__ import annotations

import logging

from monitor.telemetry.plain_text import visible


def without_traceback_of_refusals(record: logging.LogRecord) -> bool:
    """A filter that lets every record pass. Django logs requests it refuses (a host name that is not ours, too many
    parameters) with the traceback of its own check: nothing to mend there, and pages of it for whoever scans us.
    """
    if record.name.startswith("django.security.") or (
        record.name == "django.request" and record.levelno < logging.ERROR
    ):
        record.exc_info = record.exc_text = None
    return True


class OneLineFormatter(logging.Formatter):
    """Time, level, logger, message; a traceback follows on the same line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return " | ".join(visible(line) for line in super().format(record).splitlines() if line)
