"""HTTP requests as bytes, with garbage that a client library refuses to send."""

from __future__ import annotations

import socket
from contextlib import closing

from tests.support.servers import Server

LONG = b"a" * 4000
PARTS = [b"%00", b"%ff%fe", b"%c3%28", b"%", b"%zz", b"%25%32%65", b"..%2f..%2fetc%2fpasswd", b"../../etc/passwd", b"%5c..%5c",
         b"%0d%0aX-Injected:%20yes", b"%e2%80%ae", b"%f0%9f%92%a9", b"-1", b"9" * 40, b"1e400", b"nan", b"'\"<>", b"{}|^`",
         b"\xff", b"\x00", LONG, b"%00" * 1000, b"//", b";a=b", b"a/" * 500]  # fmt: skip
"""Garbage instead of a part of a path."""


def request(path: bytes, *, method: bytes = b"GET", header: bytes = b"X: y") -> bytes:
    host = b"" if header.lower().startswith(b"host:") else b"Host: 127.0.0.1\r\n"
    return method + b" " + path + b" HTTP/1.1\r\n" + host + b"Connection: close\r\n" + header + b"\r\n\r\n"


def status_of(server: Server, sent: bytes) -> int:
    """The status of the response; 0 if the connection was closed without one, which also counts as refused."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=40)) as client:
        try:
            client.sendall(sent)
            head = client.makefile("rb").readline(1000)
        except ConnectionError:
            return 0
    return int(head.split(b" ", 2)[1]) if head else 0
