"""uvicorn's connections with the flow control and the limits that it lacks. gunicorn's worker uses them
(deploy/gunicorn/gunicorn.conf.py).

A client that sends and does not read must not decide how much memory the server takes. uvicorn 0.54 reads on while pipelined
requests wait for their turn, answers every ping of a client that does not read, and waits without end for a request, on any number
of connections.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from typing import Any, cast

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from monitor.http.body_limit import LARGEST_BODY, REQUEST_SECONDS, SLOWEST_BYTES_PER_SECOND
from monitor.server.waiting_connections import WaitingConnections


class _PatientFlow(FlowControl):
    """Does not read on while a pipelined request waits: the body of the current one has already arrived."""

    def __init__(self, transport: asyncio.Transport, connection: HttpConnection) -> None:
        super().__init__(transport)
        self._connection = connection

    def resume_reading(self) -> None:
        if not self._connection.has_waiting_request:
            super().resume_reading()


class HttpConnections:
    """Makes the HTTP connections of one server: uvicorn's setting `http`."""

    def __init__(self, room: int) -> None:
        """`room`: how many connections fit (descriptors.py)."""
        self._waiting = WaitingConnections(room)

    def __call__(self, **given: Any) -> HttpConnection:
        return HttpConnection(self._waiting, **given)


class HttpConnection(H11Protocol):
    """Answers pipelined requests one after the other, and reads no more than the next ones until then.

    As under daphne, the headers of a request, and then its body, have to be complete in time; received bytes do not extend it. The
    number of connections that wait for a request is limited.
    """

    request_seconds = REQUEST_SECONDS
    body_seconds = REQUEST_SECONDS + LARGEST_BODY / SLOWEST_BYTES_PER_SECOND
    _awaited: type[h11.IDLE] | type[h11.SEND_BODY] | None = None
    """The part of a request that the client has to send now."""
    _limit: asyncio.TimerHandle | None = None
    _is_upgraded = False
    """The connection has become a WebSocket, and this protocol gets nothing more of it."""

    def __init__(self, waiting: WaitingConnections, **given: Any) -> None:
        super().__init__(**given)
        self._waiting = waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self.flow = _PatientFlow(self.transport, self)
        self._descriptor: int = transport.get_extra_info("socket").fileno()
        self._limit_time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for(None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        self._limit_time()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        super().handle_websocket_upgrade(event)
        self._is_upgraded = True

    def _limit_time(self) -> None:
        state = None if self._is_upgraded else self.conn.their_state
        self._wait_for(state if state in (h11.IDLE, h11.SEND_BODY) else None)

    def _wait_for(self, awaited: type[h11.IDLE] | type[h11.SEND_BODY] | None) -> None:
        if awaited is self._awaited:
            return
        before, self._awaited = self._awaited, awaited
        if self._limit is not None:
            self._limit.cancel()
        if awaited is None:
            self._waiting.remove(self)
        elif before is None:
            address = self.client[0] if self.client else ""  # a Unix socket has none
            is_new = self._limit is None
            self._waiting.add(self, address, self._descriptor if is_new else 0)
        if awaited is not None:
            seconds = self.body_seconds if awaited is h11.SEND_BODY else self.request_seconds
            self._limit = self.loop.call_later(seconds, self.transport.close)

    def has_unread(self) -> bool:
        """Whether the client has sent something that was not read yet."""
        if self.transport.is_closing():
            return False
        return int.from_bytes(fcntl.ioctl(self._descriptor, termios.FIONREAD, bytes(4)), sys.byteorder) > 0

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    @property
    def has_waiting_request(self) -> bool:
        """Whether a request, or a part of one, was received after the current request."""
        return self.conn.their_state is h11.DONE and bool(self.conn.trailing_data[0])

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self._limit_time()


class WebSocketConnection(WebSocketsSansIOProtocol):
    """Answers only the last ping of a client that does not read (RFC 6455, section 5.5.3, allows this)."""

    _late_pong = b""

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self._late_pong = b"".join(self.conn.data_to_send()) or self._late_pong

    def resume_writing(self) -> None:
        super().resume_writing()
        pong, self._late_pong = self._late_pong, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # refused; otherwise uvicorn logs an error for each refused handshake
