"""How a log record looks, in the server and in its sampler: always one line, as text or JSON, without secrets."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from monitor.telemetry.plain_text import visible

LogFormat = Literal["text", "json"]
HIDDEN = "***"
LEAST_HIDDEN = 8
"""Characters. A shorter secret of the settings could be any word, and hiding it would tear holes into every sentence."""

_OBEYED = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_USERINFO = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@'\"]+@", re.IGNORECASE)
_AUTHORIZATION = re.compile(
    r"(authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:basic|bearer|token)\s+)?[^\s'\",]+", re.IGNORECASE
)
_BEARER = re.compile(r"\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_NAMED = re.compile(
    # password=…, "api_token": "…", sessionid=…; after a colon only in quotes: `the password: too short` is a sentence.
    r"([\w-]*(?:password|passwd|token|secret|api_?key|sessionid)[\w-]*)(=|['\"]\s*:\s*)(['\"]?)[^\s'\"&;,)]+",
    re.IGNORECASE,
)


def lines_of(log_format: LogFormat, *, part: str | None = None, secrets: Iterable[str] = ()) -> logging.Formatter:
    """The formatter for this format. `part`: which process of gpumon writes, where it is not the server itself."""
    if log_format == "json":
        return JsonLines(secrets, part=part)
    return (
        TextLines(secrets) if part is None else TextLines(secrets, form=f"%(levelname)s {part} %(name)s: %(message)s")
    )


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without these secrets and what by its form is one: `user:password@` in a URL, Authorization, token=…"""
    for secret in secrets:
        if len(secret) >= LEAST_HIDDEN:
            text = text.replace(secret, HIDDEN)
    text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    return _NAMED.sub(rf"\1\2\3{HIDDEN}", text)


class TextLines(logging.Formatter):
    """Time, level, logger, the request's id where the record is of one, message; a traceback follows on the same line."""

    def __init__(
        self, secrets: Iterable[str] = (), *, form: str = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    ) -> None:
        super().__init__(form)
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if request_id := getattr(record, "request_id", None):
            text = text.replace(f" {record.name}: ", f" {record.name} [{request_id}]: ", 1)
        return without_secrets(" | ".join(visible(line) for line in text.splitlines() if line), self._secrets)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC, RFC 3339), level, logger, message and, where there are, request_id, exception and
    the fields of the record's `fields`.
    """

    def __init__(self, secrets: Iterable[str] = (), *, part: str | None = None) -> None:
        """`part`: which process of gpumon writes, where it is not the server."""
        super().__init__()
        self._secrets = tuple(secrets)
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        told: dict[str, object] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._clean(record.getMessage()),
        }
        if self._part is not None:
            told["part"] = self._part
        if request_id := getattr(record, "request_id", None):
            told["request_id"] = request_id
        for name, value in getattr(record, "fields", {}).items():
            told[name] = self._clean(value) if isinstance(value, str) else value
        if record.exc_info:
            told["exception"] = self._clean(self.formatException(record.exc_info))
        line = msgspec.json.encode(told).decode()
        # JSON leaves these as they are: line breaks to some programs, and to terminals marks that turn text around.
        return line if line.isprintable() else _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", line)

    def _clean(self, text: str) -> str:
        # A name that is no UTF-8 comes as lone surrogates, which JSON cannot say.
        return without_secrets(text.encode(errors="backslashreplace").decode(), self._secrets)
