"""One agent as a bare socket that does not block: the handshake, a hello, then prepared readings, and what goes wrong with it."""

from __future__ import annotations

import random
import select
import socket
import time
from typing import Literal

from bench.ingest.prepared import PreparedReadings, frame_of
from monitor.fleet import protocol
from monitor.fleet.agent.retries import Retries
from monitor.fleet.protocol import Hello, Ping, Pong, Refused, Welcome

Kind = Literal["healthy", "dead", "slow", "flapping"]
FAULTS: tuple[Kind, ...] = ("dead", "slow", "flapping")
"""dead: it connects and is silent. slow: its bytes trickle. flapping: its connection breaks after a moment, and it comes back."""
SLOW_BYTES = 2000
"""A slow agent sends these where another sends a reading: one takes it 20 intervals."""
FLAPPING_READINGS = 3
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {key}\r\n\r\n"
)
_BINARY, _CLOSE, _PING, _PONG = 2, 8, 9, 10


class RawAgent:
    """Used by one thread, which calls `connect` at `retry_at`, `receive` and `flush` when the poll says so, and `send` when due."""

    def __init__(self, number: int, host_id: str, key: str, port: int, kind: Kind, ready: select.epoll) -> None:
        self.number = number
        self.kind = kind
        self.retry_at = 0.0
        """When to connect, by the monotonic clock; infinite while there is a connection."""
        self.is_admitted = False
        self.sent = 0
        """Whole readings."""
        self.connected = 0
        """Times that it was admitted."""
        self.socket: socket.socket | None = None
        self._host_id, self._key, self._port, self._ready = host_id, key, port, ready
        self._retries = Retries()
        self._admitted_at: float | None = None
        self._received = bytearray()
        self._unsent = bytearray()
        self._has_upgraded = False

    def connect(self) -> None:
        """Begin to connect. The socket is registered with the poll."""
        self.retry_at = float("inf")
        self._admitted_at = None
        self._received.clear()
        self._unsent.clear()
        self._has_upgraded = False
        try:
            self.socket = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        except OSError:
            self._lose()
            return
        self.socket.setblocking(False)
        self._ready.register(self.socket, select.EPOLLIN)
        handshake = _HANDSHAKE.format(path=protocol.PATH, port=self._port, key=self._key)
        self._write(bytearray(handshake.encode()))

    def send(self, readings: PreparedReadings) -> None:
        """A reading is due. While an earlier one is still on its way, it is left out, as an agent does."""
        if not self.is_admitted or self.kind == "dead":
            return
        if self.kind == "flapping" and self.sent >= FLAPPING_READINGS * self.connected:
            self._lose()
        elif self._unsent:
            if self.kind == "slow":
                self.flush()
        else:
            self._write(readings.frame(self.number, self.sent, time.time()))
            self.sent += 1

    def flush(self) -> None:
        """Send what is left of a message."""
        unsent, self._unsent = self._unsent, bytearray()
        self._write(unsent)

    def receive(self) -> None:
        """Bytes from the hub."""
        assert self.socket is not None
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
            return
        self._received += data
        if not self._has_upgraded:
            self._upgrade()
        while self.socket is not None and (frame := self._next_frame()) is not None:
            self._take(*frame)

    def _upgrade(self) -> None:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise ConnectionError(f"the hub answered the handshake of host {self.number} with {bytes(head)!r}")
        self._has_upgraded = True
        self._received = rest
        hello = Hello(
            protocol=protocol.PROTOCOL, version="bench", host_id=self._host_id, host=f"node{self.number}",
            sent_at=time.time(),
        )  # fmt: skip
        self._write(frame_of(protocol.encode(hello)))

    def _next_frame(self) -> tuple[int, bytes] | None:
        """Opcode and payload; None if it is not complete."""
        if not self._has_upgraded or len(self._received) < 2:
            return None
        length, begin = self._received[1] & 0x7F, 2
        if length == 126:
            length, begin = int.from_bytes(self._received[2:4], "big"), 4
        if len(self._received) < begin + length:
            return None
        opcode, payload = self._received[0] & 0xF, bytes(self._received[begin : begin + length])
        del self._received[: begin + length]
        return opcode, payload

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _CLOSE:
            self._lose()
        elif opcode == _PING:
            self._write(bytearray([0x80 | _PONG, 0x80 | len(payload)]) + bytes(4) + payload)
        elif opcode == _BINARY:
            message = protocol.decode_from_hub(payload)
            if isinstance(message, Welcome):
                self.is_admitted = True
                self._admitted_at = time.monotonic()
                self.connected += 1
            elif isinstance(message, Ping) and self.kind != "dead":
                self._write(frame_of(protocol.encode(Pong(number=message.number, time=time.time()))))
            elif isinstance(message, Refused) and self.kind == "healthy":
                raise ConnectionError(f"the hub refused host {self.number}: {message.text}")

    def _write(self, data: bytearray) -> None:
        assert self.socket is not None
        if self._unsent:
            self._unsent += data
            return
        is_trickling = self.kind == "slow" and self.is_admitted
        try:
            count = self.socket.send(memoryview(data)[:SLOW_BYTES] if is_trickling else data)
        except BlockingIOError:
            count = 0
        except OSError:
            self._lose()
            return
        self._unsent = data[count:]
        if not is_trickling:
            self._ready.modify(self.socket, select.EPOLLIN | (select.EPOLLOUT if self._unsent else 0))

    def _lose(self) -> None:
        """The connection is broken: wait as an agent does, a random time that grows with the failures."""
        if self.socket is not None:
            self._ready.unregister(self.socket)
            self.socket.close()
            self.socket = None
        self.is_admitted = False
        now = time.monotonic()
        connected_seconds = 0.0 if self._admitted_at is None else now - self._admitted_at
        if self.kind == "flapping":  # it comes back at once, again and again
            connected_seconds = 3600.0
        self.retry_at = now + random.uniform(*self._retries.wait(connected_seconds=connected_seconds, is_refused=False))
