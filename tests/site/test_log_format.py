"""A log record is one line, whatever is in it."""

from __future__ import annotations

import logging
import sys

from gpumon_site.log_format import OneLineFormatter


def record(message: str, *arguments: object, with_error: bool = False) -> logging.LogRecord:
    error = sys.exc_info() if with_error else None
    return logging.LogRecord("monitor.live", logging.WARNING, __file__, 1, message, arguments, error)


def test_a_line_holds_level_logger_and_message() -> None:
    assert OneLineFormatter().format(record("lost %s", "GPU 3")).endswith(" WARNING monitor.live: lost GPU 3")


def test_a_line_break_from_outside_starts_no_new_line() -> None:
    line = OneLineFormatter().format(record("Not Found: %s", "/x\r\n2026-01-01 ERROR forged\u2028again"))
    assert len(line.splitlines()) == 1


def test_a_traceback_stays_on_the_line() -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        line = OneLineFormatter().format(record("failed", with_error=True))
    assert len(line.splitlines()) == 1
    assert line.endswith("ValueError: bad")
