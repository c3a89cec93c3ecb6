"""WebSocket clients that do nothing but read and count bytes: `python -m bench.readers PORT PATH COUNT`.

Says "open" in JSON when all are let in; then, for each line on stdin, how many bytes have come so far. None offers
compression, so that bytes are the same everywhere and the cost of deflate is not taken for that of a message.
"""

from __future__ import annotations

import json
import select
import socket
import sys

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def opened(port: int, path: str) -> socket.socket:
    """A client that has been let in. Raises ConnectionError when it is not."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(_HANDSHAKE.format(path=path, port=port).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:  # byte by byte, so that nothing of the first message is taken with it
        got = client.recv(1)
        if not got:
            raise ConnectionError(f"{path} ended the handshake after {answer!r}")
        answer += got
    if b" 101 " not in answer.split(b"\r\n", 1)[0]:
        raise ConnectionError(f"{path} answered {answer!r}")
    client.setblocking(False)
    return client


def main() -> None:
    port, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    clients = {client.fileno(): client for client in (opened(port, path) for _ in range(count))}
    print(json.dumps("open"), flush=True)
    ready = select.epoll()
    for descriptor in (0, *clients):
        ready.register(descriptor, select.EPOLLIN)
    room, total = bytearray(1 << 20), 0
    while True:
        for descriptor, _ in ready.poll():
            if descriptor == 0:
                if not sys.stdin.readline():
                    return
                print(total, flush=True)
            else:
                got = clients[descriptor].recv_into(room)
                if got == 0:
                    raise ConnectionError(f"{path} has closed a socket")
                total += got


if __name__ == "__main__":
    main()
