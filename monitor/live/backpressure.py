"""Flow control under daphne, which accepts all messages for a client that does not read, and keeps them in memory.

Daphne's `send` is a partial whose argument is the connection's Twisted protocol (daphne.server.Server.create_application). So
under daphne, consumers use that protocol: its transport reports, through Twisted's producer interface, when its buffer is full. A
message is also encoded and framed once for all clients, where `send` would repeat that for each. Under uvicorn, `send` waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from autobahn.websocket.protocol import PreparedMessage
from twisted.internet.interfaces import IPushProducer, IWriteDescriptor
from zope.interface import implementer


@implementer(IPushProducer)
class Flow:
    """Paused by Twisted while the transport's buffer is full (64 KiB), and resumed when it is empty.

    While it is paused, nothing is read either: autobahn would answer each ping of a client that reads no answers.
    """

    def __init__(self, protocol: Any) -> None:
        self.is_paused = False
        self._protocol = protocol
        self._resumed = asyncio.Event()

    def send(self, text: str) -> None:
        """Send a message of any size, unless the connection has just been closed.

        autobahn applies the size limit, which is meant for clients, only to its `sendMessage`.
        """
        if self._protocol.state == self._protocol.STATE_OPEN:
            self._protocol.sendPreparedMessage(_prepared(text))
            # Twisted writes to the connection in its next turn, which comes after the messages of all other clients. An error
            # needs no handling here: Twisted gets it again in that turn.
            if IWriteDescriptor.providedBy(transport := self._protocol.transport):
                transport.doWrite()

    def close(self, code: int, reason: str) -> None:
        """Close the connection with code and reason. Daphne's `send` drops the reason."""
        if self._protocol.state == self._protocol.STATE_OPEN:
            self._protocol.sendClose(code=code, reason=reason)

    async def resumed(self) -> None:
        """Wait until the client has read what was sent."""
        await self._resumed.wait()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.is_paused = True
        self._resumed.clear()
        self._protocol.transport.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.is_paused = False
        self._resumed.set()
        self._protocol.transport.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.is_paused = False
        self._resumed.set()


@lru_cache(maxsize=32)  # the messages of one tick: the feed, each kind of page, and each GPU's page that is open
def _prepared(text: str) -> PreparedMessage:
    return PreparedMessage(text.encode(), isBinary=False, applyMask=False, doNotCompress=True)


def flow_of(send: Callable[..., Any]) -> Flow | None:
    """The flow control of this connection; None if the server's `send` waits by itself."""
    if not (isinstance(send, partial) and send.args and hasattr(send.args[0], "transport")):
        return None
    protocol = send.args[0]
    flow = Flow(protocol)
    transport = protocol.transport
    transport.unregisterProducer()  # the HTTP request's producer has nothing more to send
    transport.registerProducer(flow, True)
    return flow
