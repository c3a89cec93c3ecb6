"""Sending to one client, with flow control: what is kept for a client that does not read must not grow.

An ASGI server's `send` can do both, but each server repeats work for each client that is the same for all of them: encoding the
message and framing it. So under daphne and uvicorn the frame is made once, and written to the client's connection.

- Daphne's `send` accepts all messages for a client that does not read, and keeps them in memory. It is a partial whose argument is
  the connection's Twisted protocol (daphne.server.Server.create_application). The protocol's transport reports through Twisted's
  producer interface when its buffer is full.
- uvicorn's `send` is a method of the connection's asyncio protocol, which has an event for the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any, Protocol

from autobahn.websocket.protocol import PreparedMessage
from twisted.internet.interfaces import IPushProducer, IWriteDescriptor
from zope.interface import implementer

from monitor.http.asgi_types import Message


class Outlet(Protocol):
    """Sends to one client."""

    @property
    def is_paused(self) -> bool:
        """Whether the client has not read what was sent before."""

    async def resumed(self) -> None:
        """Wait until the client has read it."""

    async def send(self, text: str) -> bool:
        """Send a message of any size. Returns False if the connection is closed."""

    async def close(self, code: int, reason: str) -> None:
        """Close the socket with code and reason."""


def outlet_of(send: Callable[..., Any]) -> Outlet:
    """What sends to the client of this ASGI `send`, once the socket is accepted."""
    if isinstance(send, partial) and send.args and hasattr(send.args[0], "transport"):
        return DaphneOutlet(send.args[0])
    protocol = getattr(send, "__self__", None)
    if all(hasattr(protocol, name) for name in ("conn", "transport", "writable")) and not protocol.conn.extensions:  # type: ignore[union-attr]
        return UvicornOutlet(protocol, send)
    return AsgiOutlet(send)


@lru_cache(maxsize=32)  # the messages of one tick: the feed, each kind of page, and each GPU's page that is open
def _frame(text: str) -> bytes:
    """The message as a WebSocket frame, neither masked nor compressed."""
    frame: bytes = PreparedMessage(text.encode(), isBinary=False, applyMask=False, doNotCompress=True).payloadHybi
    return frame


@implementer(IPushProducer)
class DaphneOutlet:
    """Paused by Twisted while the transport's buffer is full (64 KiB), and resumed when it is empty.

    While it is paused, nothing is read either: autobahn would answer each ping of a client that reads no answers.
    """

    def __init__(self, protocol: Any) -> None:
        self.is_paused = False
        self._protocol = protocol
        self._transport = protocol.transport
        self._resumed = asyncio.Event()
        self._writes_at_once = IWriteDescriptor.providedBy(self._transport)
        self._transport.unregisterProducer()  # the HTTP request's producer has nothing more to send
        self._transport.registerProducer(self, True)

    async def send(self, text: str) -> bool:
        """Never waits. A closed connection is not reported: daphne cancels the application.

        Twisted itself writes in the next turn of its loop, after the messages of all other clients, and asks the kernel twice per
        message whether it may. So what the kernel takes is written here, and only the rest by Twisted.
        """
        if self._protocol.state == self._protocol.STATE_OPEN:
            frame = _frame(text)
            written = self._write(frame) if self._writes_at_once else 0
            if written < len(frame):
                self._transport.write(frame[written:])
        return True

    def _write(self, frame: bytes) -> int:
        """The number of bytes that the kernel takes now."""
        transport = self._transport
        if transport.dataBuffer or transport._tempDataBuffer:  # noqa: SLF001 - Twisted has no public word for it
            return 0
        written = transport.writeSomeData(frame)
        return written if isinstance(written, int) else 0  # Twisted gets the error again when it writes

    async def close(self, code: int, reason: str) -> None:
        """Daphne's `send` drops the reason."""
        if self._protocol.state == self._protocol.STATE_OPEN:
            self._protocol.sendClose(code=code, reason=reason)

    async def resumed(self) -> None:
        await self._resumed.wait()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.is_paused = True
        self._resumed.clear()
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.stopProducing()
        self._transport.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.is_paused = False
        self._resumed.set()


class AsgiOutlet:
    """Any other server, or a compressed connection: `send` waits until the client reads."""

    def __init__(self, send: Callable[[Message], Awaitable[None]]) -> None:
        self._send = send

    @property
    def is_paused(self) -> bool:
        """Never."""
        return False

    async def send(self, text: str) -> bool:
        return await self._sent({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str) -> None:
        """Waits until the client has read what was sent before."""
        await self._sent({"type": "websocket.close", "code": code, "reason": reason})

    async def resumed(self) -> None:
        """At once."""

    async def _sent(self, message: Message) -> bool:
        """uvicorn raises RuntimeError if it has closed the socket, because of a protocol error for instance. ASGI specifies
        OSError.
        """
        try:
            await self._send(message)
        except RuntimeError:
            return False
        return True


class UvicornOutlet(AsgiOutlet):
    """uvicorn's connection, without compression."""

    def __init__(self, protocol: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        super().__init__(send)
        self._protocol = protocol

    @property
    def is_paused(self) -> bool:
        return not self._protocol.writable.is_set()

    async def send(self, text: str) -> bool:
        """Waits as uvicorn's own `send` does."""
        protocol = self._protocol
        await protocol.writable.wait()
        if protocol.disconnected or protocol.close_sent or protocol.transport.is_closing():
            return False
        protocol.transport.write(_frame(text))
        return True

    async def resumed(self) -> None:
        await self._protocol.writable.wait()
