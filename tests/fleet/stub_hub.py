"""A hub that does as told, on a real socket: it records what an agent sends, confirms it or not, and vanishes and comes back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from monitor.fleet import protocol
from monitor.fleet.protocol import Hello, Ping, Pong, Refused, SnapshotMessage, Welcome
from tests.support.servers import free_port, wait_for


class StubHub:
    """`start` and `stop` as often as wanted, always on the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.answer: Welcome | Refused = Welcome(host_name="node1", key="gpumonhost_new", hub_time=time.time())
        self.confirms = True
        self.hellos: list[Hello] = []
        self.keys: list[str | None] = []
        self.received: list[SnapshotMessage] = []
        self.pongs: list[Pong] = []
        self._server: Server | None = None
        self._open: list[ServerConnection] = []

    def start(self) -> None:
        self._server = serve(self._serve, "127.0.0.1", self.port, compression=None, max_size=protocol.MAX_MESSAGE_BYTES)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Cut every connection, without a close frame."""
        assert self._server is not None
        self._server.shutdown()
        for connection in self._open:
            connection.close_socket()
        self._open.clear()

    def refuse(self, refusal: Refused) -> None:
        """Refuse every agent that is connected; returns when the connections are closed."""
        for connection in self._open:
            connection.send(protocol.encode(refusal))
            connection.close()

    @contextlib.contextmanager
    def running(self) -> Iterator[StubHub]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def seqs(self, *, is_late: bool) -> list[int]:
        return [each.snapshot.seq for each in self.received if each.is_late == is_late]

    def wait_for_seq(self, seq: int) -> None:
        wait_for(lambda: seq in [each.snapshot.seq for each in self.received], f"snapshot {seq}")

    def _serve(self, connection: ServerConnection) -> None:
        self._open.append(connection)
        assert connection.request is not None
        self.keys.append(connection.request.headers.get("Authorization"))
        with contextlib.suppress(ConnectionClosed, OSError):
            count = 0
            while True:
                message = protocol.decode_from_agent(bytes(connection.recv(decode=False)))
                if isinstance(message, Hello):
                    self.hellos.append(message)
                    connection.send(protocol.encode(self.answer))
                    if isinstance(self.answer, Refused):
                        return
                elif isinstance(message, SnapshotMessage):
                    self.received.append(message)
                    count += 1
                    if self.confirms:
                        connection.send(protocol.encode(Ping(number=count, received=count)))
                elif isinstance(message, Pong):
                    self.pongs.append(message)
