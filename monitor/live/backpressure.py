"""Daphne takes everything it is given to send and lets it pile up for a client that does not read.

Its `send` is a partial around the connection's Twisted protocol (daphne.server.Server.create_application), so under
daphne the transport itself is asked, by Twisted's producer interface, whether it is keeping up; uvicorn waits in `send`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Flow:
    """Paused by Twisted while the transport's buffer is full (64 KiB), resumed when it is empty."""

    def __init__(self) -> None:
        self.is_paused = False
        self._resumed = asyncio.Event()

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
    flow = Flow()
    transport = send.args[0].transport
    transport.unregisterProducer()  # what served the HTTP request has nothing more to produce
    transport.registerProducer(flow, True)
    return flow
