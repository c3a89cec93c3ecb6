"""A server of one answer, to see what the commands ask and how they take it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Asked(NamedTuple):
    """A request that arrived."""

    path: str
    authorization: str | None


class Answering:
    """Gives every request the same answer, and remembers the requests."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body
        self.asked: list[Asked] = []
        self.url = ""


@contextmanager
def answering(status: int, body: bytes) -> Iterator[Answering]:
    """Serve it on a free port of the loopback."""
    answer = Answering(status, body)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer.asked.append(Asked(self.path, self.headers["Authorization"]))
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    answer.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield answer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
