"""The three servers that `delivery` and `delay` compare: the `websockets` library's broadcast, and gpumon's consumers
under uvicorn and under daphne. All send the same messages (message.py) at the same rate.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bench.child import Child, child
from bench.serving import data_folder, listening
from tests.support.servers import Server

BROADCAST = "websockets"
COMMANDS = {
    BROADCAST: ["-m", "bench.broadcast", "{port}"],
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "bench.feed_app:application"],
    "daphne": ["-m", "daphne", "-p", "{port}", "-v", "0", "bench.feed_app:application"],
}


class Side(NamedTuple):
    """A server, and the process that runs its clients."""

    pid: int
    clients: Child


@contextmanager
def server_of(name: str, *, hz: float) -> Iterator[Server]:
    """Run the server of this name. Each has its own phase, so that they do not all send at once."""
    environment = {"BENCH_HZ": str(hz), "BENCH_PHASE": str([*COMMANDS].index(name) / len(COMMANDS))}
    command = [sys.executable, *COMMANDS[name]]
    with data_folder() as folder, listening(Server(folder, environment, command)) as server:
        yield server


@contextmanager
def side(name: str, *, clients: int, hz: float) -> Iterator[Side]:
    """Start the server of this name and connect its clients; at the end stop the clients first, then the server."""
    with (
        server_of(name, hz=hz) as server,
        child("bench.readers", str(server.port), "/ws/gpu", str(clients)) as readers,
    ):
        readers.answer()  # all are connected
        assert server.process is not None
        yield Side(server.process.pid, readers)
