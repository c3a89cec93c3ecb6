"""Any log record is one line (with an indented traceback in the text format) and contains no secret."""

from __future__ import annotations

import io
import json
import logging
import sys
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.logs.lines import (
    INDENT,
    LONGEST,
    LONGEST_OF_REQUEST,
    LONGEST_TRACEBACK,
    JsonLines,
    LogFormat,
    TextLines,
    lines_of,
    without_secrets,
)

SECRET = "of-the-settings-9f8e7d"

WITH_SECRETS = [
    "GET https://ada:hunter2@example.com/x failed",
    "redis://:hunter2@10.0.0.1:6379/0 does not answer",
    "smtp://ada%40x:hunter2@mail refuses",
    "headers: {'Authorization': 'Bearer hunter2hunter2'}",
    "Authorization: Basic hunter2==",
    "authorization=hunter2",
    "sent with bearer hunter2.hunter2",
    "/ws/gpu?hz=1&token=hunter2&x=1 was refused",
    "password=hunter2, next",
    'body {"api_key": "hunter2", "a": 1}',
    "GPU_MONITOR_ADMIN_PASSWORD=hunter2",
    "cookie sessionid=hunter2; path=/",
    f"the key is {SECRET}, hunter3".replace("hunter3", ""),
]

EVERY_FORMAT = pytest.mark.parametrize("log_format", ["text", "json"])


def record(message: str, *arguments: object, with_error: bool = False, **extra: object) -> logging.LogRecord:
    error = sys.exc_info() if with_error else None
    made = logging.LogRecord("monitor.live", logging.WARNING, __file__, 1, message, arguments, error)
    made.__dict__.update(extra)
    return made


def test_text_line_has_level_logger_and_message() -> None:
    assert TextLines().format(record("lost %s", "GPU 3")).endswith(" WARNING monitor.live: lost GPU 3")


def test_record_of_a_request_has_the_request_id() -> None:
    told = record("lost: %s", "GPU 3", request_id="4f2a")
    assert TextLines().format(told).endswith(" WARNING monitor.live [4f2a]: lost: GPU 3")
    assert json.loads(JsonLines().format(told))["request_id"] == "4f2a"


def test_json_line_has_time_level_logger_message_and_no_unknown_fields() -> None:
    made = record("lost %s", "GPU 3", request_id=None)
    made.created = 1_795_526_877.42
    assert json.loads(JsonLines().format(made)) == {
        "time": "2026-11-24T13:27:57.420Z",
        "level": "WARNING",
        "logger": "monitor.live",
        "message": "lost GPU 3",
    }


def test_json_line_has_the_fields_of_the_record_and_the_process() -> None:
    told = json.loads(
        JsonLines(part="sampler").format(record("answered", fields={"status": 200, "path": "/a?token=b"}))
    )
    assert (told["status"], told["path"], told["part"]) == (200, "/a?token=***", "sampler")


def test_json_line_includes_the_traceback() -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        line = lines_of("json").format(record("failed", with_error=True))
    assert len(line.splitlines()) == 1
    assert json.loads(line)["exception"].splitlines()[0] == "Traceback (most recent call last):"
    assert json.loads(line)["exception"].splitlines()[-1] == "ValueError: bad"


def test_traceback_in_the_text_format_is_indented() -> None:
    try:
        try:
            raise ValueError("bad")
        except ValueError as error:
            raise RuntimeError("worse") from error
    except RuntimeError:
        printed = traceback.format_exc()
        first, *others = lines_of("text").format(record("failed", with_error=True)).split("\n")
    assert first.endswith(" WARNING monitor.live: failed")
    assert others == [f"{INDENT}{line}" if line else "" for line in printed.splitlines()]
    assert f"{INDENT}RuntimeError: worse" in others
    assert any(line.startswith(f'{INDENT}  File "{__file__}", line ') for line in others)


@given(text=st.text(), note=st.text())
def test_error_text_cannot_forge_another_record(text: str, note: str) -> None:
    """It can come from a request and span lines; only the first line of a record is not indented."""
    forged = "2026-01-01 00:00:00,000 ERROR root: forged"
    error = ValueError(f"{text}\n{forged}\r{forged}\u2028{forged}\x85{forged}\x1b[2J")
    error.add_note(f"{note}\n{forged}")
    made = record("failed: %s", f"{text}\n{forged}", stack_info=f"Stack\n{forged}")
    made.exc_info = (ValueError, error, None)
    first, *others = lines_of("text").format(made).splitlines()
    assert " WARNING monitor.live: failed: " in first
    assert [line for line in others if line and not line.startswith(INDENT)] == []
    assert not {character for line in others for character in line} & {"\r", "\x1b", "\x85", "\u2028"}
    assert sum(line == f"{INDENT}{forged}" for line in others) >= 5


@EVERY_FORMAT
@given(text=st.text())
def test_untrusted_text_cannot_start_a_line_or_control_a_terminal(log_format: LogFormat, text: str) -> None:
    line = lines_of(log_format).format(
        record("Not Found: %s", f"{text}\r\n2026-01-01 ERROR forged\u2028again\x1b[2J\u202e")
    )
    assert len(line.splitlines()) == 1
    assert not set(line) & {"\r", "\n", "\x1b", "\u202e", "\u2028", "\x85"}
    line.encode()
    if log_format == "json":
        assert "forged" in json.loads(line)["message"]


@EVERY_FORMAT
@pytest.mark.parametrize("broken", ["\udcff", "\ud800x", "\x00"])
def test_objects_other_than_text_can_be_logged(log_format: LogFormat, broken: str) -> None:
    lines_of(log_format).format(record("a process named %s", broken)).encode()


@EVERY_FORMAT
@pytest.mark.parametrize("text", WITH_SECRETS)
def test_secrets_are_redacted(log_format: LogFormat, text: str) -> None:
    formatter = lines_of(log_format, secrets=(SECRET,))
    for made in (record(text), record("it says %r", text), record("fine", fields={"told": text})):
        line = formatter.format(made)
        assert "hunter2" not in line
        assert SECRET not in line
    try:
        raise ValueError(text)
    except ValueError:
        line = formatter.format(record("failed", with_error=True))
    assert "ValueError" in line
    assert not [secret for secret in ("hunter2", SECRET) if secret in line.rpartition("ValueError")[2]]


@EVERY_FORMAT
@pytest.mark.parametrize("text", [*WITH_SECRETS, "Authorization: Bearer hunter2hunter2", "redis://:hunter2@cache"])
def test_truncation_reveals_no_part_of_a_secret(log_format: LogFormat, text: str) -> None:
    formatter = lines_of(log_format, secrets=(SECRET,))
    for kept in range(len(text)):
        long = "." * (LONGEST - kept - 1) + f" {text}" + " and more" * 9
        line = formatter.format(record("%s", long, fields={"path": long}))
        assert "… (cut: " in line
        assert not [piece for piece in ("hu", "nter", SECRET[:4], SECRET[-4:]) if piece in line]


@EVERY_FORMAT
def test_long_text_is_truncated_with_a_mark(log_format: LogFormat) -> None:
    formatter = lines_of(log_format)
    line = formatter.format(record("%s", "x " * 50_000))
    assert "x x… (cut: 100000 characters)" in line.replace("x …", "x…")
    assert len(line) < LONGEST + 200
    of_request = formatter.format(
        record("Not Found: %s", "/token" * 3000, request_id="4f2a", fields={"path": "/a" * 999})
    )
    assert "… (cut: 18000 characters)" in of_request
    assert len(of_request) < 2 * LONGEST_OF_REQUEST + 300


@EVERY_FORMAT
def test_long_path_does_not_displace_the_rest_of_a_request_record(log_format: LogFormat) -> None:
    told = record("%s %s %d B", "GET", "/token" * 3000, 12, request_id="4f2a")
    line = lines_of(log_format).format(told)
    assert "GET /token/token" in line
    assert "… (cut: 18000 characters) 12 B" in line


@EVERY_FORMAT
def test_text_of_the_maximum_length_stays_whole(log_format: LogFormat) -> None:
    line = lines_of(log_format).format(record("%s", "x" * LONGEST))
    assert "x" * LONGEST in line
    assert "cut" not in line


@EVERY_FORMAT
def test_long_traceback_keeps_the_innermost_calls_and_the_error(log_format: LogFormat) -> None:
    def ping(count: int) -> int:
        return pong(count)

    def pong(count: int) -> int:
        return 1 // count if count == 0 else ping(count - 1)

    try:
        ping(200)
    except ZeroDivisionError:
        line = lines_of(log_format).format(record("failed", with_error=True))
    assert "ZeroDivisionError: integer division or modulo by zero" in line
    assert "in pong" in line
    assert len(line) < LONGEST_TRACEBACK


@EVERY_FORMAT
def test_long_error_text_is_truncated(log_format: LogFormat) -> None:
    try:
        raise ValueError("token" * 20_000)
    except ValueError:
        line = lines_of(log_format).format(record("failed", with_error=True))
    assert "ValueError: token" in line
    assert "… (cut: 100" in line
    assert len(line) < LONGEST_TRACEBACK + 300


@pytest.mark.parametrize(
    "text",
    [
        "the password: at least 10 characters",
        "POST https://example.com/hook@2 answered 500",
        "the token of ada was revoked",
        "mail to ada@example.com could not be sent",
        "GPU_MONITOR_PORT=0 is invalid: must be a whole number from 1 to 65535",
    ],
)
def test_plain_sentence_is_unchanged(text: str) -> None:
    assert without_secrets(text, ("short",)) == text


def test_handler_writes_one_line_per_record() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    emit: Callable[[logging.LogRecord], None] = handler.emit
    for log_format in ("text", "json"):
        handler.setFormatter(lines_of(log_format))
        emit(record("one\ntwo"))
    assert len(written.getvalue().splitlines()) == 2
