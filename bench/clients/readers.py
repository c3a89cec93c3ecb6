"""WebSocket clients that only read and count bytes: `python -m bench.clients.readers PORT PATH COUNT`.

Prints "open" in JSON once every client is connected; then, for each line on stdin, the number of bytes received so far. Ends
when stdin closes, and with exit status 1 when the server closes a connection. No client offers compression, so that bytes
compare across servers and the cost of deflate is not part of a message's.
"""

from __future__ import annotations

import json
import select
import socket
import sys
from collections.abc import Iterable

_STDIN = 0
_PING = b"\x89\x0c"
"""The start of daphne's pings, of 12 bytes. It closes a connection without a pong after 50 s."""
_PONG = b"\x8a\x8c\0\0\0\0"
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def opened(port: int, path: str) -> socket.socket:
    """A connected client. Raises ConnectionError if the server refuses it."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(_HANDSHAKE.format(path=path, port=port).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:  # byte by byte: the first message can follow at once, and must stay unread
        got = client.recv(1)
        if not got:
            raise ConnectionError(f"the server ended the handshake after {answer!r}")
        answer += got
    if b" 101 " not in answer.split(b"\r\n", 1)[0]:
        raise ConnectionError(f"the server answered the handshake with {answer!r}")
    client.setblocking(False)
    return client


def count(clients: Iterable[socket.socket]) -> None:
    """Read all clients until stdin closes. Raises ConnectionError when the server closes one."""
    open_clients = {client.fileno(): client for client in clients}
    ready = select.epoll()
    for descriptor in (_STDIN, *open_clients):
        ready.register(descriptor, select.EPOLLIN)
    room, total = bytearray(1 << 20), 0
    while True:
        events = [descriptor for descriptor, _ in ready.poll()]
        if _STDIN in events:  # before the sockets: when everything ends, stdin and the server close together
            if not sys.stdin.readline():
                return
            print(total, flush=True)
        for descriptor in events:
            if descriptor == _STDIN:
                continue
            got = open_clients[descriptor].recv_into(room)
            if got == 0:
                raise ConnectionError("the server closed a connection")
            total += got
            if (ping := room.find(_PING, 0, got)) >= 0:
                open_clients[descriptor].send(_PONG + room[ping + len(_PING) : ping + len(_PING) + 12])


def main() -> None:
    port, path, clients = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    try:
        opened_clients = [opened(port, path) for _ in range(clients)]
        print(json.dumps("open"), flush=True)
        count(opened_clients)
    except OSError as error:
        sys.exit(f"bench.clients.readers: {path}: {error}")


if __name__ == "__main__":
    main()
