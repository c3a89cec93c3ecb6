"""Limits of a request: its size, and how long it may take. Django itself checks only forms, once the whole body is on the disk."""

from __future__ import annotations

from monitor.http.asgi_types import App, Message, Receive, Scope, Send
from monitor.http.security_headers import BELOW_DJANGO

LARGEST_BODY = 1 << 20
"""Bytes. No form of ours uploads a file."""
REQUEST_SECONDS = 20.0
"""For the headers of a request, from the connection or the previous answer; and again for its body, however small."""
SLOWEST_BYTES_PER_SECOND = 200_000
"""A larger body has the time it takes at this pace."""
REFUSAL = {**BELOW_DJANGO, "Connection": "close"}
"""The headers of the response 413."""


class TooLarge(Exception):
    """The body is larger than allowed."""


class BodyLimit:
    """ASGI middleware: responds 413 if a body is larger than allowed, under any server."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
            # No response has started: Django reads the whole body before it resolves a view.
            await _refuse(send)


def _declared_length(scope: Scope) -> int:
    """0 if there is none. Refusing a length that is not a number is up to the server."""
    given = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    return int(given[-1]) if given and given[-1].isdigit() else 0


async def _refuse(send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in REFUSAL.items()]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b"The body of the request is too large.\n"})
