"""How large the body of a request may be. Django looks at the parts of a form alone, after all of it is on the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from monitor.http.security_headers import HEADERS, NOT_KEPT
from monitor.http.upload_permit import has_permit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

LARGEST_FORM = 1 << 20
LARGEST_UPLOAD = 130 << 20
"""A recording to try a rule on, which the admin's form takes up to 128 MiB of, and what else is in the form."""
_UPLOADS = "/admin/monitor/alertrule/preview/"
REFUSAL = {
    **HEADERS,
    "Content-Type": "text/plain",
    "Cache-Control": NOT_KEPT,
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}
"""The headers of the answer 413."""


def largest_body(path: str, cookies: str) -> int:
    """Bytes that a request to this path, without its query, and with this Cookie header may carry."""
    return LARGEST_UPLOAD if path.endswith(_UPLOADS) and has_permit(cookies) else LARGEST_FORM


class TooLarge(Exception):
    """More has come than may."""


class BodyLimit:
    """Around the application, for every server that runs it: 413 once a body is larger than it may be."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        largest, received = largest_body(scope["path"], _cookies(scope)), 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > largest:
                raise TooLarge
            return message

        try:
            if _declared_length(scope) > largest:
                raise TooLarge
            await self._app(scope, limited, send)
        except TooLarge:
            # Nothing has been sent: Django reads the whole body before it looks for a view.
            await _refuse(send)


def _declared_length(scope: Message) -> int:
    """0 where it is not said; a length that is no number is the server's to refuse."""
    given = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    return int(given[-1]) if given and given[-1].isdigit() else 0


def _cookies(scope: Message) -> str:
    return b"; ".join(value for name, value in scope["headers"] if name.lower() == b"cookie").decode("latin-1")


async def _refuse(send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in REFUSAL.items()]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b"The body of the request is too large.\n"})
