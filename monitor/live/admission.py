"""Interface for admitting WebSocket handshakes. The policy is in `monitor.access.admission`."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

from monitor.http.asgi_types import Scope, Send
from monitor.http.security_headers import BELOW_DJANGO

ENDED = 4001
"""Close code: the session, token or link with which the socket was opened is no longer valid. The close reason says why."""
_DENIAL = "websocket.http.response"
_HEADERS = [(name.lower().encode(), value.encode()) for name, value in BELOW_DJANGO.items()]


class AdmittedSocket:
    """A socket whose handshake was accepted."""

    def __init__(self, *, sees_details: bool, sees_commands: bool = False, link: str = "") -> None:
        self.sees_details = sees_details
        """Whether it may receive users and programs."""
        self.sees_commands = sees_commands
        """Whether it may receive command lines as well."""
        self.link = link
        """The token of the read-only link that it was opened with; empty without one."""
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done when the socket has to be closed; the result is the reason."""

    def end(self, reason: str) -> None:
        """Close the socket with this reason, of at most 123 bytes (RFC 6455, section 5.5)."""
        if not self.ended.done():
            self.ended.set_result(reason)


class Refusal(NamedTuple):
    """The answer to a handshake that is not accepted."""

    status: int
    """Of the HTTP response, if the server supports one; daphne always answers 403."""
    reason: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Admission(Protocol):
    """Decides about handshakes whose origin has been checked."""

    async def admit(self, scope: Scope, *, accepts_tokens: bool) -> AdmittedSocket | Refusal:
        """Accept or refuse a handshake; an admitted socket must be released. `accepts_tokens`: API tokens are valid here."""

    def release(self, socket: AdmittedSocket) -> None:
        """The socket is closed."""


async def refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    """Answer a handshake, whose `websocket.connect` has been received, with the refusal."""
    if _DENIAL not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    headers = [*_HEADERS, *refusal.headers]
    await send({"type": f"{_DENIAL}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{_DENIAL}.body", "body": refusal.reason.encode()})
