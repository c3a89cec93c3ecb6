"""An ID for each request, in its response and in every log record about it; and the access log, if it is on."""

from __future__ import annotations

import contextvars
import logging
import re
import secrets
import time
from collections.abc import Callable

from monitor.http.asgi_types import App, Message, Receive, Scope, Send

log = logging.getLogger("gpumon.access")

HEADER = b"x-request-id"
_PLAIN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SECRET = re.compile(r"(/(?:setup|view)/)[^/\s]+")
"""Links that are secrets: the set-up link creates the first administrator, and a read-only link needs no login."""

_current: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)


def with_request_id(record: logging.LogRecord) -> bool:
    """A log filter that rejects nothing and adds the ID of the current request to each record."""
    record.request_id = _current.get()
    return True


class RequestIds:
    """ASGI middleware. Keeps an X-Request-ID that is short and plain, as a proxy sets it; generates one otherwise.

    A socket has one as well, as long as it is open, but only HTTP responses carry it.
    """

    def __init__(self, app: App, *, logs_access: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`logs_access`: write a record after each response."""
        self._app = app
        self._logs_access = logs_access
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _sent_id(scope) or secrets.token_hex(8)
        _current.set(request_id)  # each request runs in a task, and so in a context, of its own
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)  # with the server's own `send`: see monitor/live/backpressure.py
        else:
            await self._respond(scope, receive, send, request_id)

    async def _respond(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        began = self._monotonic()
        status, size = 0, 0

        async def send_with_id(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (HEADER, request_id.encode())]}
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            if self._logs_access:
                self._log(scope, status, size, self._monotonic() - began)

    def _log(self, scope: Scope, status: int, size: int, seconds: float) -> None:
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
        shown = (client or "-", scope["method"], path, status or "no answer", size, 1000 * seconds)
        log.info("%s %s %s %s %d B %.1f ms", *shown, extra={"fields": fields})


def shown_path(path: str) -> str:
    """A path as it is logged: without its query, which can contain a token, and without the secret of a link."""
    return _SECRET.sub(r"\1***", path.partition("?")[0])


def _sent_id(scope: Scope) -> str | None:
    for header, value in scope["headers"]:
        if header.lower() == HEADER and _PLAIN.fullmatch(value):
            return str(value, "ascii")
    return None
