"""Formats log records, in the server and in its sampler: as text or JSON, of bounded length, without secrets.

A record is one line. Only in the text format, a traceback follows on lines of its own: they are indented, so that no text from
outside can pose as another record.

Part of what is logged comes from requests, so every pattern here takes time in proportion to the text, and a text is cut
before it is matched.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import traceback
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Literal

import msgspec

from monitor.logs.journal import with_priority, writes_to_journal
from monitor.sanitize import visible

LogFormat = Literal["text", "json"]
HIDDEN = "***"
LEAST_HIDDEN = 8
"""Characters. A shorter secret could be any word, and hiding it would garble ordinary sentences."""
LONGEST = 4096
"""Characters of a message and of each field; the rest is cut."""
LONGEST_OF_REQUEST = 500
"""The same for a record about a request, whose path, Host and Origin can have 16 KiB."""
LONGEST_NAME = 200
"""Characters of each argument of such a message, so that a long path does not displace the rest."""
LONGEST_TRACEBACK = 32_768
INNERMOST_CALLS = 60
"""Calls shown of a traceback: endless recursion has 1000."""
INDENT = "  "
"""Before each line of a traceback in the text format; the line of a record begins with its time or level."""

_SysExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_OBEYED = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# A scheme or a name is matched once, from its first character, and as a whole (`++`): no part of it is tried again.
_USERINFO = re.compile(
    r"(?<![a-z0-9+.-])(?=[a-z0-9+.-]*?\b[a-z])([a-z0-9+.-]++://)[^\s/@'\"]+@",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"(authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:basic|bearer|token)\s+)?[^\s'\",]+", re.IGNORECASE
)
_BEARER = re.compile(r"\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_NAMED = re.compile(
    # password=…, "api_token": "…", sessionid=…; after a colon only in quotes: `the password: too short` is a sentence.
    r"(?<![\w-])(?=[\w-]*?(?:password|passwd|token|secret|api_?key|sessionid))([\w-]++)"
    r"(=|['\"]\s*:\s*)(['\"]?)[^\s'\"&;,)]+",
    re.IGNORECASE,
)
_LINK = re.compile(r"(/view/)[A-Za-z0-9_-]++\.[A-Za-z0-9_-]*+")
"""A read-only link, as Django logs paths."""
_HALVED = re.compile(r"(://(?=[^\s/@'\"]+\Z)|\bbearer\s+(?=[A-Za-z0-9._~+/=-]+\Z)).+", re.IGNORECASE | re.DOTALL)
"""Secrets that the patterns above recognize by their end, if that was cut off."""


def lines_of(log_format: LogFormat, *, part: str | None = None, secrets: Iterable[str] = ()) -> logging.Formatter:
    """The formatter for this format. `part`: the process of gpumon that writes, if it is not the server."""
    to_journal = writes_to_journal()
    is_json = log_format == "json"
    lines = JsonLines(secrets, part=part) if is_json else TextLines(secrets, part=part, is_timed=not to_journal)
    return JournalLines(lines) if to_journal else lines


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Hide these secrets, and text in the form of one: `user:password@` in a URL, Authorization, token=…, a read-only link."""
    text = _USERINFO.sub(rf"\1{HIDDEN}@", _without_known(text, secrets))
    text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _LINK.sub(rf"\1{HIDDEN}", text)
    return _NAMED.sub(rf"\1\2\3{HIDDEN}", text)


def _without_known(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if len(secret) >= LEAST_HIDDEN:
            text = text.replace(secret, HIDDEN)
    return text


class _Lines(logging.Formatter):
    """The base of both formats: cuts each piece of a record and hides its secrets."""

    def __init__(self, secrets: Iterable[str], form: str | None = None) -> None:
        super().__init__(form)
        self._secrets = tuple(secrets)

    def formatException(self, ei: _SysExcInfo) -> str:  # noqa: N802 - logging's name
        return "".join(traceback.format_exception(*ei, limit=-INNERMOST_CALLS)).rstrip("\n")

    def _message(self, record: logging.LogRecord) -> str:
        if not (_is_of_request(record) and record.args and isinstance(record.args, tuple)):
            return self._clean(record.getMessage(), _longest(record))
        names = tuple(self._clean(each, LONGEST_NAME) if isinstance(each, str) else each for each in record.args)
        return self._clean(str(record.msg) % names, _longest(record))

    def _clean(self, text: str, longest: int, escaped: Callable[[str], str] | None = None) -> str:
        """The text without secrets, cut to `longest`; the cut is marked and reveals no part of a secret."""
        whole = _without_known(text, self._secrets)
        shown = without_secrets((escaped or self._escaped)(whole[:longest]))
        if len(whole) <= longest:
            return shown
        shown = _HALVED.sub(rf"\1{HIDDEN}", shown)
        return f"{shown}… (cut: {len(whole)} characters)"

    def _escaped(self, text: str) -> str:
        raise NotImplementedError


def _is_of_request(record: logging.LogRecord) -> bool:
    return bool(getattr(record, "request_id", None))


def _longest(record: logging.LogRecord) -> int:
    return LONGEST_OF_REQUEST if _is_of_request(record) else LONGEST


class TextLines(_Lines):
    """Time, level, logger, request ID if there is one, message; a traceback follows on indented lines."""

    def __init__(self, secrets: Iterable[str] = (), *, part: str | None = None, is_timed: bool = True) -> None:
        """`part`: the process of gpumon that writes, if it is not the server. `is_timed`: False if each line gets a time anyway."""
        fields = ("%(asctime)s" if is_timed else "", "%(levelname)s", part, "%(name)s: %(message)s")
        super().__init__(secrets, " ".join(field for field in fields if field))

    def format(self, record: logging.LogRecord) -> str:
        record.message = self._message(record)
        if self.usesTime():
            record.asctime = self.formatTime(record)
        text = self.formatMessage(record)
        if request_id := getattr(record, "request_id", None):
            text = text.replace(f" {record.name}: ", f" {record.name} [{request_id}]: ", 1)
        trace = self.formatException(record.exc_info) if record.exc_info else record.exc_text
        blocks = (self._clean(each, LONGEST_TRACEBACK, _indented) for each in (trace, record.stack_info) if each)
        return "\n".join((text, *blocks))

    def _escaped(self, text: str) -> str:
        return " | ".join(visible(line) for line in text.splitlines() if line)


def _indented(text: str) -> str:
    """Lines as they are but for INDENT; every line that a program or terminal could see counts (str.splitlines)."""
    return "\n".join(f"{INDENT}{visible(line)}".rstrip() for line in text.splitlines())


class JsonLines(_Lines):
    """One JSON object per line: time (UTC, RFC 3339), level, logger, message; request_id, exception and the record's `fields`,
    if there are any.
    """

    def __init__(self, secrets: Iterable[str] = (), *, part: str | None = None) -> None:
        """`part`: the process of gpumon that writes, if it is not the server."""
        super().__init__(secrets)
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        longest = _longest(record)
        entry: dict[str, object] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._message(record),
        }
        if self._part is not None:
            entry["part"] = self._part
        if request_id := getattr(record, "request_id", None):
            entry["request_id"] = request_id
        for name, value in getattr(record, "fields", {}).items():
            entry[name] = self._clean(value, longest) if isinstance(value, str) else value
        if record.exc_info:
            entry["exception"] = self._clean(self.formatException(record.exc_info), LONGEST_TRACEBACK)
        line = msgspec.json.encode(entry).decode()
        # Valid in JSON, but line breaks to some programs, and marks that reverse text to terminals.
        return line if line.isprintable() else _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", line)

    def _escaped(self, text: str) -> str:
        # Bytes that are not UTF-8 arrive as lone surrogates, which JSON cannot contain.
        return text.encode(errors="backslashreplace").decode()


class JournalLines(logging.Formatter):
    """The lines of another formatter, with their priority for systemd's journal."""

    def __init__(self, lines: logging.Formatter) -> None:
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        return with_priority(self._lines.format(record), record.levelno)
