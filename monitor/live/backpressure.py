"""Daphne takes everything it is given to send and lets it pile up for a client that does not read.

Its `send` is a partial around the connection's Twisted protocol (daphne.server.Server.create_application), so under
daphne the transport itself is asked, by Twisted's producer interface, whether it is keeping up; uvicorn waits in `send`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Flow:
    """Paused by Twisted while the transport's buffer is full (64 KiB), resumed when it is empty."""

    def __init__(self, protocol: Any) -> None:
        self.is_paused = False
        self._protocol = protocol
        self._resumed = asyncio.Event()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Around a `send`: autobahn holds what we send to the limit that is meant for what clients send.

        Daphne's `send` does not give way to the event loop, so nothing is received meanwhile.
        """
        limit, self._protocol.maxMessagePayloadSize = self._protocol.maxMessagePayloadSize, 0
        try:
            yield
        finally:
            self._protocol.maxMessagePayloadSize = limit

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
