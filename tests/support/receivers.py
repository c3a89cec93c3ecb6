"""Real receivers of webhooks and heartbeats on loopback: one that answers as the test sets, and one that misbehaves on the wire."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Received(NamedTuple):
    """A received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """An HTTP server that records its requests. `answer(n)` is the status of the n-th response, counted from 1."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.answer: Callable[[int], int] = lambda _number: 204
        self.go_on = threading.Event()
        """While cleared, no request is answered."""
        self.go_on.set()
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with receiver._arrived:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    receiver.requests.append(Received(self.command, self.path, headers, body))
                    number = len(receiver.requests)
                    receiver._arrived.notify_all()
                assert receiver.go_on.wait(20)
                self.send_response(receiver.answer(number))
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815  # the name that http.server looks for

            def log_message(self, *_args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook/S3CRETPATH?key=S3CRETQUERY"

    @property
    def hostport(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def wait_for(self, count: int, seconds: float = 20.0) -> list[Received]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= count, seconds), len(self.requests)
            return list(self.requests)

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def rude_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Accept one connection and pass it to `talk`, which can misbehave on it until the event is set; yields the host and port."""
    is_over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                talk(connection, is_over)
            except OSError:
                return  # the client has closed the connection

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        is_over.set()
        thread.join(10)
        listener.close()
