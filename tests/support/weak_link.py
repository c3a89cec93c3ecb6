"""A TCP connection through a link that can be cut, stalled or slowed: between an agent and its hub, for instance."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class WeakLink:
    """Listens on a port of its own and connects to another. Ends with `close`."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._is_open = threading.Event()
        self._is_open.set()
        self._is_cut = self._is_closed = False
        self._delay_seconds = 0.0
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Its connections end, and new ones end at once."""
        self._is_cut = True
        self._end_all()
        try:
            yield
        finally:
            self._is_cut = False

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """What is sent arrives when the block has ended."""
        self._is_open.clear()
        try:
            yield
        finally:
            self._is_open.set()

    @contextmanager
    def slowed(self, seconds: float) -> Iterator[None]:
        """Each piece of what is sent takes so long."""
        self._delay_seconds = seconds
        try:
            yield
        finally:
            self._delay_seconds = 0.0

    def close(self) -> None:
        """End all connections."""
        self._is_closed = True
        self._is_open.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._end_all()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _end_all(self) -> None:
        for each in [*self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed
                return
            thread = threading.Thread(target=self._connect, args=(near,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _connect(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            if self._is_cut:
                return
            with socket.create_connection(("127.0.0.1", self._to), timeout=5) as far:
                far.settimeout(None)
                self._sockets |= {near, far}
                back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
                back.start()
                self._carry(near, far)
                back.join()
                self._sockets -= {near, far}

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                self._is_open.wait()
                if self._delay_seconds:
                    time.sleep(self._delay_seconds)
                other.sendall(data)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
