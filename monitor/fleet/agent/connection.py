"""One connection to a hub: the handshake, then snapshots in one direction, and pings in the other."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, reconnect

from monitor.fleet import protocol
from monitor.fleet.agent.backlog import Kept
from monitor.fleet.agent.proxy import proxy_of
from monitor.fleet.protocol import EncodedSnapshotMessage, Hello, Ping, Pong, ProtocolError, Refused, Welcome

OPEN_SECONDS = 15.0
QUIET_SECONDS = 60.0
"""The hub pings every few seconds. After this long without one, the connection counts as broken."""
CLOSE_SECONDS = 1.0
HEAR_SECONDS = 10.0
"""When nothing can be sent any more: how long reading what the hub has sent before may take. It is there already."""
_MAX_FROM_HUB = 64 * 1024


class RefusedByHub(Exception):
    """The hub has sent a refusal. The text is its sentence."""


class Disconnected(Exception):
    """The connection has ended. The text says why."""


class _Once(reconnect):
    """A connection that follows no redirect: the key must reach nobody else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def address_of(hub: str) -> str:
    """The WebSocket of a hub's URL, such as https://gpus.example.org/gpus."""
    site = urlsplit(hub)
    path = site.path.rstrip("/") + protocol.PATH
    return urlunsplit(("wss" if site.scheme == "https" else "ws", site.netloc, path, "", ""))


class Connection:
    """An admitted connection. `send` is for one thread; another one, started here, listens to the hub."""

    def __init__(self, url: str, hello: Hello, key: str | None) -> None:
        """Connect and say hello. Raises RefusedByHub, Disconnected, and what `connect_errors` explains."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._closing = contextlib.ExitStack()
        opener = _Once(
            url,
            ssl=ssl.create_default_context() if url.startswith("wss:") else None,
            compression=None,
            additional_headers=headers,
            user_agent_header=f"gpumon/{hello.version}",
            proxy=proxy_of(url),
            open_timeout=OPEN_SECONDS,
            ping_interval=None,  # the hub's own pings show that the connection lives
            close_timeout=CLOSE_SECONDS,
            max_size=_MAX_FROM_HUB,
        )
        self._socket: ClientConnection = self._closing.enter_context(opener)
        self._lock = threading.Lock()
        self._sent: deque[Kept] = deque()
        """What the hub has not confirmed, in the order of sending."""
        self._confirmed = 0
        self._ended: Exception | None = None
        self._has_heard_all = threading.Event()
        try:
            with contextlib.suppress(Disconnected):  # a hub that refuses may do so before the hello
                self._send(hello)
            answer = self._receive(OPEN_SECONDS)
            while answer is None:
                answer = self._receive(OPEN_SECONDS)
            if not isinstance(answer, Welcome):
                raise Disconnected("The hub does not answer the agent's hello: is it a gpumon hub?")
        except BaseException:
            self.close()
            raise
        self.welcome = answer

    def listen(self, ended: Callable[[], None]) -> None:
        """Answer the hub's pings in a thread, until the connection ends; then call `ended`."""
        threading.Thread(target=self._listen, args=(ended,), name="hub", daemon=True).start()

    def send(self, snapshot: Kept, *, is_late: bool) -> None:
        """Send a snapshot. Waits while the line is slow. Raises Disconnected or RefusedByHub."""
        with self._lock:
            self._sent.append(snapshot)
        if self._ended is not None:
            raise self._ended
        try:
            self._send(EncodedSnapshotMessage(is_late=is_late, snapshot=msgspec.Raw(snapshot.encoded)))
        except Disconnected:
            self._has_heard_all.wait(HEAR_SECONDS)  # a refusal comes before the end
            raise self._ended or Disconnected("The hub has closed the connection.") from None

    @property
    def unconfirmed(self) -> list[Kept]:
        """What was sent and may not have arrived."""
        with self._lock:
            return list(self._sent)

    @property
    def ended(self) -> Exception | None:
        """Why the connection has ended; None while it is open."""
        return self._ended

    def close(self) -> None:
        """Close it, if that has not happened."""
        self._closing.close()

    def _listen(self, ended: Callable[[], None]) -> None:
        try:
            while True:
                message = self._receive(QUIET_SECONDS)
                if isinstance(message, Ping):
                    self._confirm(message.received)
                    with contextlib.suppress(Disconnected):  # what the hub has sent before the end is still to be read
                        self._send(Pong(number=message.number, time=time.time()))
        except (RefusedByHub, Disconnected) as error:
            self._ended = error
        finally:
            self._has_heard_all.set()
            self._socket.close()
            ended()

    def _confirm(self, received: int) -> None:
        with self._lock:
            while self._confirmed < received and self._sent:
                self._sent.popleft()
                self._confirmed += 1

    def _send(self, message: Hello | Pong | EncodedSnapshotMessage) -> None:
        try:
            self._socket.send(protocol.encode(message))
        except (ConnectionClosed, OSError) as error:
            raise Disconnected(f"The connection was lost: {error}") from error

    def _receive(self, seconds: float) -> protocol.HubMessage | None:
        """The next message; None for one that this version does not know."""
        try:
            data = self._socket.recv(timeout=seconds)
            message = protocol.decode_from_hub(data.encode() if isinstance(data, str) else data)
        except TimeoutError as error:
            raise Disconnected(f"The hub has been silent for {seconds:.0f} s.") from error
        except (ConnectionClosed, OSError) as error:
            raise Disconnected(f"The hub has closed the connection: {error}") from error
        except ProtocolError as error:
            raise Disconnected(f"The hub has sent what is no message: is it a gpumon hub? ({error})") from error
        if isinstance(message, Refused):
            raise RefusedByHub(message.text)
        return message
