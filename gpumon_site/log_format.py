"""How a log record looks: always one line, so that what a client sends can never pass for a record of ours."""

from __future__ import annotations

import logging


class OneLineFormatter(logging.Formatter):
    """Time, level, logger, message; a traceback follows on the same line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return " | ".join(line for line in super().format(record).splitlines() if line)
