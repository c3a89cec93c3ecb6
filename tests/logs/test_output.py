"""Messages that Python itself prints to stderr become log records, as JSON if configured."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from monitor.logs.lines import lines_of
from monitor.logs.output import LineHandler


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no\nword")


@pytest.mark.parametrize(
    ("message", "arguments", "fields", "told"),
    [
        ("%s of %s", (1,), {}, "TypeError: not enough arguments for format string"),
        ("none at all", (1,), {}, "TypeError: not all arguments converted during string formatting"),
        ("%s", (Unspeakable(),), {}, "RuntimeError: no\nword"),
        ("fields", (), {"of": object()}, "TypeError: Encoding objects of type object is unsupported"),
    ],
)
def test_record_that_cannot_be_written_is_reported_in_a_record(
    message: str, arguments: tuple[object, ...], fields: dict[str, object], told: str
) -> None:
    written = io.StringIO()
    handler = LineHandler(written)
    handler.setFormatter(lines_of("json"))
    record = logging.LogRecord("monitor.live", logging.INFO, "/live.py", 7, message, arguments, None)
    record.fields = fields
    handler.handle(record)
    (line,) = written.getvalue().splitlines()
    assert json.loads(line)["message"] == f"cannot write a record of /live.py:7: {told}"
    assert (json.loads(line)["level"], json.loads(line)["logger"]) == ("ERROR", "monitor.live")


class Gone(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_log_without_a_reader_raises_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    LineHandler(Gone()).handle(logging.LogRecord("monitor", logging.INFO, "/live.py", 7, "%s", (1, 2), None))
    LineHandler(Gone()).handle(logging.LogRecord("monitor", logging.INFO, "/live.py", 7, "all is well", (), None))
    assert capsys.readouterr().err == ""


def ended_by(script: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and log records of a program with the server's JSON log."""
    given = f"""
import logging.config, sys, threading
from monitor.logs.config import logging_config
from monitor.logs.output import log_uncaught
logging.config.dictConfig(logging_config("json", "INFO", ()))
log_uncaught()
{script}"""
    ended = subprocess.run([sys.executable, "-c", given], capture_output=True, text=True, check=False)
    return ended.returncode, [json.loads(line) for line in ended.stderr.splitlines()]


@pytest.mark.slow
def test_error_that_ends_a_thread_is_logged() -> None:
    status, (record,) = ended_by(
        "one = threading.Thread(target=lambda: 1 / 0, name='of work'); one.start(); one.join()"
    )
    assert (status, record["level"], record["message"]) == (0, "CRITICAL", "thread of work: ended by an error")
    assert "ZeroDivisionError" in record["exception"]


@pytest.mark.slow
def test_error_that_ends_the_process_is_logged() -> None:
    status, (record,) = ended_by("raise ValueError('no\\nmore')")
    assert (status, record["level"], record["message"]) == (1, "CRITICAL", "ended by an error")
    assert record["exception"].endswith("ValueError: no\nmore")


@pytest.mark.slow
def test_thread_that_exits_by_itself_is_not_logged() -> None:
    assert ended_by("one = threading.Thread(target=sys.exit); one.start(); one.join()") == (0, [])
