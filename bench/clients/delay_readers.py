"""WebSocket clients that measure the age of each message: `python -m bench.clients.delay_readers PORT PATH COUNT`.

Prints "open" in JSON once every client is connected; then, for each line on stdin, the ages of the messages received since the
line before, in seconds, from `sampled_at` to the last byte. Snapshots from before that line do not count: they waited for a client
that had just joined, or for this program while it connected the others. Ends when stdin closes.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import sys
import threading
import time

from bench.clients.readers import opened

_STDIN = 0
_SAMPLED_AT = re.compile(rb'"sampled_at":([0-9.]+)')
_TEXT, _PING = 1, 9
_HEAD_BYTES = 400
"""The bytes kept of a frame: its header, and the message up to `sampled_at`."""


class Client:
    """A connected client, and how much it has received of the current frame."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._head = b""
        self._received = 0

    def receive(self, data: memoryview) -> list[float]:
        """Add bytes. Returns `sampled_at` of each message that is now complete."""
        complete = []
        while data:
            end = _end(self._head)
            part, data = data[: end - self._received], data[end - self._received :]
            self._received += len(part)
            if len(self._head) < _HEAD_BYTES:
                self._head += bytes(part[: _HEAD_BYTES - len(self._head)])
            if self._received < _end(self._head):
                continue
            if self._head[0] & 0xF == _TEXT:
                complete.append(_sampled_at(self._head))
            elif self._head[0] & 0xF == _PING:  # without an answer, the server closes the connection
                payload = self._head[2:]
                self.connection.send(bytes([0x8A, 0x80 | len(payload)]) + bytes(4) + payload)  # masked with zeros
            self._head, self._received = b"", 0
        return complete


def _end(head: bytes) -> int:
    """The length of the frame that begins with these bytes (RFC 6455, section 5.2); of its header while that is incomplete."""
    if len(head) < 2:
        return 2
    length = head[1] & 0x7F
    header = {126: 4, 127: 10}.get(length, 2)
    if len(head) < header:
        return header
    return header + (length if header == 2 else int.from_bytes(head[2:header], "big"))


def _sampled_at(head: bytes) -> float:
    found = _SAMPLED_AT.search(head)
    if found is None:
        raise ConnectionError(f"the server sent {head!r}")
    return float(found[1])


class Measurement:
    """The clients, which are read from the first one on: a server closes a connection that answers no ping."""

    def __init__(self) -> None:
        self._clients: dict[int, Client] = {}
        self._ready = select.epoll()
        self._ready.register(_STDIN, select.EPOLLIN)

    def connect(self, port: int, path: str, count: int) -> None:
        """Open the connections, in a thread of its own; then print "open". Ends the process if the server refuses one."""
        try:
            for _ in range(count):
                client = Client(opened(port, path))
                self._clients[client.connection.fileno()] = client
                self._ready.register(client.connection, select.EPOLLIN)
        except OSError as error:
            print(f"bench.clients.delay_readers: {path}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        print(json.dumps("open"), flush=True)

    def run(self) -> None:
        """Read all clients until stdin closes. Raises OSError when the server closes one."""
        room, ages, since = bytearray(1 << 20), list[float](), time.time()
        view = memoryview(room)
        while True:
            events = [descriptor for descriptor, _ in self._ready.poll()]
            if _STDIN in events:
                if not sys.stdin.readline():
                    return
                print(json.dumps(ages), flush=True)
                ages, since = [], time.time()
            for descriptor in events:
                if descriptor == _STDIN:
                    continue
                client = self._clients[descriptor]
                got = client.connection.recv_into(room)
                if got == 0:
                    raise ConnectionError("the server closed a connection")
                now = time.time()
                ages += [now - sampled_at for sampled_at in client.receive(view[:got]) if sampled_at >= since]


def main() -> None:
    port, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    measurement = Measurement()
    threading.Thread(target=measurement.connect, args=(port, path, count), daemon=True).start()
    try:
        measurement.run()
    except OSError as error:
        sys.exit(f"bench.clients.delay_readers: {path}: {error}")


if __name__ == "__main__":
    main()
