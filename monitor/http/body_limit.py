"""How large the body of a request may be. Django looks at the parts of a form alone, after all of it is on the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from monitor.http.security_headers import HEADERS, NOT_KEPT

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

LARGEST_BODY = 1 << 20
"""Bytes. No form of ours uploads a file."""
REFUSAL = {
    **HEADERS,
    "Content-Type": "text/plain",
    "Cache-Control": NOT_KEPT,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Connection": "close",
}
"""The headers of the answer 413."""


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
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise TooLarge
            return message

        try:
            if _declared_length(scope) > LARGEST_BODY:
                raise TooLarge
            await self._app(scope, limited, send)
        except TooLarge:
            # Nothing has been sent: Django reads the whole body before it looks for a view.
            await _refuse(send)


def _declared_length(scope: Message) -> int:
    """0 where it is not said; a length that is no number is the server's to refuse."""
    given = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    return int(given[-1]) if given and given[-1].isdigit() else 0


async def _refuse(send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in REFUSAL.items()]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b"The body of the request is too large.\n"})
