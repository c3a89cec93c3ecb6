"""Clients that send and never read. What the server holds for them must not grow with what they send."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import closing

import psutil

from tests.support.servers import Server

REQUEST = b"GET /api/schema HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HANDSHAKE = (
    b"GET /ws/gpu HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PING = b"\x89\xfd" + bytes(4) + b"p" * 125


def memory(server: Server) -> int:
    """Resident bytes of the server and its children."""
    assert server.process is not None
    main = psutil.Process(server.process.pid)
    return sum(process.memory_info().rss for process in (main, *main.children(recursive=True)))


@contextlib.contextmanager
def deaf_client(server: Server, *, begins: bytes = b"", repeats: bytes, most_bytes: int = 24 << 20) -> Iterator[None]:
    """A client that sends `begins`, and then `repeats` until it has sent `most_bytes` or the server reads no more."""
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.settimeout(2)
        client.sendall(begins)
        chunk = repeats * (65536 // len(repeats))
        with contextlib.suppress(OSError):
            for _ in range(most_bytes // len(chunk)):
                client.sendall(chunk)
        yield
