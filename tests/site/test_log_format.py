"""A log record is one line, whatever is in it."""

from __future__ import annotations

import logging
import sys

import pytest

from gpumon_site.log_format import OneLineFormatter, without_traceback_of_refusals


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


@pytest.mark.parametrize(
    ("logger", "level", "is_shown"),
    [
        ("django.security.DisallowedHost", logging.ERROR, False),
        ("django.request", logging.WARNING, False),
        ("django.request", logging.ERROR, True),
        ("monitor.telemetry.supervisor", logging.WARNING, True),
    ],
)
def test_a_request_that_is_refused_is_logged_without_a_traceback_and_a_fault_of_ours_with_it(
    logger: str, level: int, is_shown: bool
) -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        told = logging.LogRecord(logger, level, __file__, 1, "it went wrong", (), sys.exc_info())
    assert without_traceback_of_refusals(told)
    assert ("ValueError: bad" in OneLineFormatter().format(told)) == is_shown
