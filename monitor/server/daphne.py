"""Daphne's server with the limits and the shutdown that it has no settings for.

Twisted ends a connection only after a minute of silence, so a client that sends a byte now and then (slow loris) keeps one forever;
and it writes a body of any size to the disk before it asks the application. Daphne logs query strings, lets any client set
the root path, and cuts open sockets when it ends. Subclasses change that, for this server alone: nothing is replaced in daphne
4.2 or Twisted 26. Importing this module installs daphne's reactor.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import daphne.server  # before twisted: installs the reactor
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from monitor.http.body_limit import LARGEST_BODY, REFUSAL, REQUEST_SECONDS, SLOWEST_BYTES_PER_SECOND
from monitor.http.log_once import LogOnce
from monitor.http.request_id import shown_path
from monitor.http.security_headers import BELOW_DJANGO
from monitor.server.descriptors import raise_limit, room_for_connections
from monitor.server.waiting_connections import WaitingConnections

BACKLOG = 1024
"""Connections that the kernel accepts ahead of the server. Twisted's 50 are fewer than the viewers who reconnect at once."""
_KINDS_WITH_BACKLOG = ("tcp", "tcp6", "ssl", "unix")
SERVICE_RESTART = 1012
"""The close code for sockets at shutdown, as uvicorn sends it; registered with IANA for RFC 6455."""
FAREWELL_SECONDS = 1.0
"""How long to wait for the clients' close frames: a client that is gone must not delay the shutdown."""
CLOSE_SECONDS = 5.0
"""How long to wait for a client's close frame otherwise, as the consumers do. After autobahn's one second, the connection of a busy
client would be reset, and what it has not read would be lost.
"""
_POLL_SECONDS = 0.02
LINGER_SECONDS = 2.0
"""How long what a refused client still sends is read and dropped, so that it gets the answer."""


def _refusal(status: str, text: str = "") -> bytes:
    """A whole response."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in REFUSAL.items())
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(text)}\r\n\r\n{text}".encode()


_TOO_LARGE = _refusal("413 Content Too Large")
_ADDRESS_TOO_LONG = _refusal("414 URI Too Long", "The address is too long.\n")
_HEADERS_TOO_LARGE = _refusal(
    "431 Request Header Fields Too Large",
    "The headers of the request are larger than 16 KiB. The usual cause is cookies: those of other programs on the same host\n"
    "name are sent here too. Delete the cookies of this site in the browser, or serve gpumon under a host name of its own.\n",
)
_BAD_REQUEST = _refusal("400 Bad Request")
_refusals = LogOnce(logging.getLogger(__name__))


class Server(daphne.server.Server):  # type: ignore[misc]  # daphne has no types
    """For `serve`, and for the `daphne` command (`gpumon_site/asgi.py`)."""

    request_seconds = REQUEST_SECONDS
    connections: dict[Any, dict[str, Any]]
    endpoints: list[str]

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self._resting_checks: list[Callable[[], None]] = []
        self.endpoints = [with_backlog(each) for each in self.endpoints]

    @property
    def ws_factory(self) -> WebSocketFactory:
        """What daphne's `run` makes sockets with. It takes no protocol as an argument."""
        return self._ws_factory

    @ws_factory.setter
    def ws_factory(self, factory: WebSocketFactory) -> None:
        factory.protocol = Socket
        factory.setProtocolOptions(closeHandshakeTimeout=CLOSE_SECONDS)
        self._ws_factory = factory

    @property
    def http_factory(self) -> Factory:
        """What daphne's `run` listens with. It assigns a factory of its own, which is dropped: it takes none as an argument."""
        return self._http_factory

    @http_factory.setter
    def http_factory(self, _daphnes: HTTPFactory) -> None:
        self._http_factory = Factory(self)

    def protocol_connected(self, protocol: Any) -> None:
        """Called for a new connection."""
        super().protocol_connected(protocol)
        while self._resting_checks:
            reactor.callLater(1, self._resting_checks.pop())  # type: ignore[arg-type]  # zope's interfaces have no self

    def application_checker(self) -> None:
        """Called each second while there are connections; without any, it would wake an idle server for nothing."""
        if self.connections:
            super().application_checker()
        else:
            self._resting_checks.append(self.application_checker)

    def timeout_checker(self) -> None:
        """Called every two seconds while there are connections."""
        if self.connections:
            super().timeout_checker()
        else:
            self._resting_checks.append(self.timeout_checker)

    def log_action(self, protocol: str, action: str, details: dict[str, Any]) -> None:
        """Log without query strings, which can contain tokens."""
        super().log_action(protocol, action, {**details, "path": shown_path(details["path"])})

    def kill_all_applications(self) -> Deferred[Any]:
        """Close the open sockets with a close frame, then cancel every application, as daphne does at shutdown."""
        closing = _close_sockets(self.connections)
        every = self.connections
        # Daphne fails at the first connection without an application: a request that became a socket, or an answered one.
        self.connections = {each: details for each, details in every.items() if "application_instance" in details}
        try:
            killed = super().kill_all_applications()
        finally:
            self.connections = every
        return _when_closed(closing).addCallback(lambda _: killed)


class Connection(HTTPChannel):
    """A connection whose time limit runs from the beginning of a request, and which waits for requests with a limited number.

    Headers that are too large get an answer.
    """

    factory: Factory
    transport: Any
    _is_refused = False
    _answered: Any = None
    """A request that was answered, while the client has not read the answer."""

    def resetTimeout(self) -> None:  # noqa: N802  # Twisted's name
        """Received bytes do not extend the limit."""

    def connectionMade(self) -> None:  # noqa: N802  # Twisted's name
        """Called for a new connection."""
        super().connectionMade()  # type: ignore[no-untyped-call]
        self.factory.waiting.add(self, self._address, self.transport.fileno())

    def allContentReceived(self) -> None:  # noqa: N802  # Twisted's name
        """Called at the end of a request."""
        self.factory.waiting.remove(self)
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def requestDone(self, request: Any) -> None:  # noqa: N802  # Twisted's name
        """Called after a response. The next request may already be there; it waits until the client has read: a few bytes ask for
        much, and Twisted would keep all of it.
        """
        if self._waitingForTransport:
            self._answered = request
            return
        if self.persistent:
            self.factory.waiting.add(self, self._address)
        super().requestDone(request)  # type: ignore[no-untyped-call]

    def resumeProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Called when the client has read."""
        super().resumeProducing()  # type: ignore[no-untyped-call]
        if self._answered is not None:
            request, self._answered = self._answered, None
            self.requestDone(request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Called at the end of the connection."""
        self.factory.waiting.remove(self)
        if self._answered is not None:
            self.requests.remove(self._answered)  # it has ended
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def has_unread(self) -> bool:
        """Whether the client has sent something that was not read yet."""
        try:
            return bool(self.transport.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abortConnection()

    @property
    def _address(self) -> str:
        """The client's; empty for a Unix socket."""
        return str(getattr(self.transport.getPeer(), "host", ""))

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Called with what has been received. What follows refused headers is dropped."""
        if not self._is_refused:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def lineReceived(self, line: bytes) -> None:  # noqa: N802  # Twisted's name
        """Called with each line of the headers. Twisted counts them too, and hangs up."""
        if not self._is_refused:
            if self._receivedHeaderSize + len(line) > self.totalHeadersSize:
                self._refuse_headers(line)
            else:
                super().lineReceived(line)  # type: ignore[no-untyped-call]

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802  # Twisted's name
        """Called for a line that alone is longer than that."""
        self._refuse_headers(line)

    def _refuse_headers(self, line: bytes) -> None:
        """Answer, and close after the client has read it: closing at once, with data unread, would reset the connection."""
        self._is_refused = True
        is_address = b":" not in line.partition(b" ")[0]
        self.transport.write(_ADDRESS_TOO_LONG if is_address else _HEADERS_TOO_LARGE)
        self.transport.loseWriteConnection()
        self.setTimeout(LINGER_SECONDS)  # type: ignore[no-untyped-call]
        client = self._address or "a Unix socket"
        what = "its address is" if is_address else "its headers are"
        cause = "" if is_address else "; the usual cause is cookies of other programs on the same host name"
        _refusals.warning(
            f"refused a request from %s: {what} larger than %d bytes{cause}", client, self.totalHeadersSize
        )

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802  # Twisted's name
        """Called for what is no request."""
        self.transport.write(_BAD_REQUEST)
        self.loseConnection()  # type: ignore[no-untyped-call]


class Socket(WebSocketProtocol):  # type: ignore[misc]  # daphne has no types
    """A WebSocket, or the refusal of one. Daphne counts its time by the wall clock, which can be set."""

    last_ping: float

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self._made_at = time.monotonic()

    def duration(self) -> float:
        """Seconds since it was opened, for daphne's limits."""
        return time.monotonic() - self._made_at

    def check_timeouts(self) -> None:
        """Called now and then. After the clock was set back, the next ping would wait until its old time has come again."""
        self.last_ping = min(self.last_ping, time.time())
        super().check_timeouts()

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:  # noqa: N802, N803  # autobahn's
        """Called for a handshake that is refused, by us or by autobahn."""
        super().failHandshake(reason, code, [*(responseHeaders or ()), *REFUSAL.items()])


class Request(WebRequest):  # type: ignore[misc]  # daphne has no types
    """A request, or a WebSocket handshake, with a limited body."""

    _began_at: float | None = None

    def duration(self) -> float:
        """Seconds since it began, for daphne's limit. Daphne takes the wall clock, which can be set meanwhile."""
        return 0.0 if self._began_at is None else time.monotonic() - self._began_at

    def process(self) -> Any:
        """Drop `Daphne-Root-Path`, which any client can send: the base path is a setting."""
        self._began_at = time.monotonic()
        self.requestHeaders.removeHeader(b"daphne-root-path")
        return super().process()

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Called for what never reaches the application, and for its errors."""
        headers = [(name.encode(), value.encode()) for name, value in BELOW_DJANGO.items()]
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": f"{body}\n".encode()})

    def gotLength(self, length: int | None) -> None:  # noqa: N802  # Twisted's name
        """Called at the end of the headers; None for a body in chunks."""
        super().gotLength(length)
        if length:
            self.channel.setTimeout(self.server.request_seconds + length / SLOWEST_BYTES_PER_SECOND)
            self._refuse_if_larger(length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Called with each part of the body. A body in chunks is measured as it comes."""
        if not self._refuse_if_larger(self.content.tell() + len(data)):
            super().handleContentChunk(data)

    def _refuse_if_larger(self, size: int) -> bool:
        if size <= LARGEST_BODY:
            return False
        self.requestHeaders.removeHeader(b"Expect")  # or Twisted would ask for the body
        self.channel.transport.write(_TOO_LARGE)
        self.channel.loseConnection()
        return True


class Factory(HTTPFactory):  # type: ignore[misc]  # daphne has no types
    """Makes the connections. HTTP/1.1 only: Twisted's HTTP/2 channel has none of the limits."""

    protocol = Connection

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.timeOut = server.request_seconds
        self.waiting = WaitingConnections(room_for_connections(raise_limit()))

    def startFactory(self) -> None:  # noqa: N802  # Twisted's name
        """Called at the start. Twisted would format each request, and the date each second, for a log that is not kept."""

    def buildProtocol(self, address: Any) -> Any:  # noqa: N802  # Twisted's name
        channel = super().buildProtocol(address)
        channel.requestFactory = Request
        return channel

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802  # Twisted's name
        return [b"http/1.1"]


def with_backlog(endpoint: str) -> str:
    """Where to listen, as Twisted describes it, with our backlog if it has none and can have one: an inherited socket listens
    already.
    """
    kind = endpoint.partition(":")[0]
    if kind not in _KINDS_WITH_BACKLOG or ":backlog=" in endpoint:
        return endpoint
    return f"{endpoint}:backlog={BACKLOG}"


def _close_sockets(connections: dict[Any, Any]) -> list[Any]:
    """Send a close frame on each open WebSocket; return these."""
    sockets = [each for each in connections if getattr(each, "state", None) == getattr(each, "STATE_OPEN", "none")]
    for each in sockets:
        each.sendCloseFrame(code=SERVICE_RESTART, reasonUtf8=b"the server is shutting down")
    return sockets


def _when_closed(sockets: list[Any]) -> Deferred[None]:
    """Fires when all are closed, or when the time is up."""
    closed: Deferred[None] = Deferred()
    deadline = time.monotonic() + FAREWELL_SECONDS

    def look() -> None:
        if time.monotonic() >= deadline or all(each.state == each.STATE_CLOSED for each in sockets):
            closed.callback(None)
        else:
            reactor.callLater(_POLL_SECONDS, look)  # type: ignore[arg-type]  # zope's interfaces have no self

    look()
    return closed
