"""Where a socket's handshake is let in or refused: who stands behind the door is not known here, only what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple, Protocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ENDED = 4001
"""Close code: login or token, by which the socket was let in, holds no longer. The reason says which."""
_DENIAL = "websocket.http.response"


class Guest:
    """A socket that was let in."""

    def __init__(self, *, sees_details: bool = True) -> None:
        self.sees_details = sees_details
        """Whether it is told who runs what."""
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done, with the reason, once the socket has to be closed."""

    def end(self, reason: str) -> None:
        """Have the socket closed with this reason, of at most 123 bytes (RFC 6455, 5.5)."""
        if not self.ended.done():
            self.ended.set_result(reason)


class Refusal(NamedTuple):
    """A handshake that is not let in."""

    status: int
    """Of the HTTP answer, where the server can give one; 403 where it cannot (daphne)."""
    reason: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Door(Protocol):
    """Lets sockets in, once it is clear that no other site's page opened them."""

    async def let_in(self, scope: Scope, *, takes_tokens: bool) -> Guest | Refusal:
        """Who is let in must `leave` again. `takes_tokens`: whether this address is for programs with tokens as well."""

    def leave(self, guest: Guest) -> None:
        """The socket is closed."""


class OpenDoor:
    """Lets everybody in, who then sees everything."""

    async def let_in(self, scope: Scope, *, takes_tokens: bool) -> Guest | Refusal:
        """A guest."""
        return Guest()

    def leave(self, guest: Guest) -> None:
        """Nothing was kept."""


OPEN_DOOR = OpenDoor()


async def refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    """Answer the handshake, whose `websocket.connect` has been received, with the refusal."""
    if _DENIAL not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *refusal.headers]
    await send({"type": f"{_DENIAL}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{_DENIAL}.body", "body": refusal.reason.encode()})
