"""A name for each request: in its answer and in every log record about it; and the access log, where it is asked for."""

from __future__ import annotations

import contextvars
import logging
import re
import secrets
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from monitor.http.proxies import App, Receive, Scope, Send

log = logging.getLogger("gpumon.access")

HEADER = b"x-request-id"
_PLAIN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SETUP = re.compile(r"(/setup/)[^/\s]+")
"""The address that makes the first administrator is a secret."""

_current: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)


def with_request_id(record: logging.LogRecord) -> bool:
    """A filter that lets every record pass and says in it which request it is about."""
    record.request_id = _current.get()
    return True


class RequestIds:
    """Around the application. Believes an X-Request-ID that is short and plain, as a proxy before us gives it; makes one else.

    A socket has one as well, for as long as it is open; only answers of HTTP carry it.
    """

    def __init__(self, app: App, *, logs_access: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`logs_access`: write a record when a request has been answered."""
        self._app = app
        self._logs_access = logs_access
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        name = _given(scope) or secrets.token_hex(8)
        _current.set(name)  # each request is a task of its own, and so has a context of its own
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)  # by the server's own `send`: see monitor/live/backpressure.py
        else:
            await self._answer(scope, receive, send, name)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, name: str) -> None:
        began = self._monotonic()
        status, size = 0, 0

        async def named(message: MutableMapping[str, Any]) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (HEADER, name.encode())]}
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, named)
        finally:
            if self._logs_access:
                self._tell(scope, status, size, self._monotonic() - began)

    def _tell(self, scope: Scope, status: int, size: int, seconds: float) -> None:
        path = shown_path(scope["path"])
        client = (scope.get("client") or ("",))[0]
        fields = {
            "method": scope["method"],
            "path": path,
            "status": status or None,
            "bytes": size,
            "milliseconds": round(1000 * seconds, 1),
            "client": client,
        }
        told = (client or "-", scope["method"], path, status or "no answer", size, 1000 * seconds)
        log.info("%s %s %s %s %d B %.1f ms", *told, extra={"fields": fields})


def shown_path(path: str) -> str:
    """An address to log: without its query, which may hold a token, and without what may be secret in the path."""
    return _SETUP.sub(r"\1***", path.partition("?")[0])


def _given(scope: Scope) -> str | None:
    for header, value in scope["headers"]:
        if header.lower() == HEADER and _PLAIN.fullmatch(value):
            return str(value, "ascii")
    return None
