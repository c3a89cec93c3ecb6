"""Daphne takes everything it is given to send and lets it pile up for a client that does not read.

Its `send` is a partial around the connection's Twisted protocol (daphne.server.Server.create_application), so under
daphne the transport itself is asked, by Twisted's producer interface, whether it is keeping up; uvicorn waits in `send`.
Messages are handed to the protocol as well, as autobahn has it for those that go to many: encoded and framed once, where
`send` would do it for each client anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from autobahn.websocket.protocol import PreparedMessage
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Flow:
    """Paused by Twisted while the transport's buffer is full (64 KiB), resumed when it is empty."""

    def __init__(self, protocol: Any) -> None:
        self.is_paused = False
        self._protocol = protocol
        self._resumed = asyncio.Event()

    def send(self, text: str) -> None:
        """Send a message; to a connection that has just been closed nothing is sent, as in daphne's own `send`.

        It may be of any size: autobahn holds only what goes through its `sendMessage` to the limit meant for clients.
        """
        if self._protocol.state == self._protocol.STATE_OPEN:
            self._protocol.sendPreparedMessage(_prepared(text))

    def close(self, code: int, reason: str) -> None:
        """Close the connection with code and reason, of which daphne's `send` passes on the code alone."""
        if self._protocol.state == self._protocol.STATE_OPEN:
            self._protocol.sendClose(code=code, reason=reason)

    async def resumed(self) -> None:
        """Wait until the client has read what it was sent."""
        await self._resumed.wait()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.is_paused = True
        self._resumed.clear()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.is_paused = False
        self._resumed.set()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.resumeProducing()


@lru_cache(maxsize=32)  # the messages of a tick: the feed's, and of each kind of page and each GPU's page that is open
def _prepared(text: str) -> PreparedMessage:
    return PreparedMessage(text.encode(), isBinary=False, applyMask=False, doNotCompress=True)


def flow_of(send: Callable[..., Any]) -> Flow | None:
    """The flow control of this connection; None where the server's `send` waits by itself."""
    if not (isinstance(send, partial) and send.args and hasattr(send.args[0], "transport")):
        return None
    protocol = send.args[0]
    flow = Flow(protocol)
    transport = protocol.transport
    transport.unregisterProducer()  # what served the HTTP request has nothing more to produce
    transport.registerProducer(flow, True)
    return flow
