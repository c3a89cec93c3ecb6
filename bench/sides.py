"""The servers that `delivery`, `delay` and `load` compare: the `websockets` library's broadcast, and gpumon's consumers
under uvicorn, gunicorn and daphne. All send the same messages (message.py) at the same rate.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from statistics import quantiles
from typing import NamedTuple

from bench.child import Child, child
from bench.figures import CouldNotMeasure
from bench.serving import data_folder, listening
from tests.support.servers import Server

BROADCAST = "websockets"
_NO_PINGS = ["--ws-ping-interval", "3600"]
"""The clients of `delivery` answer no pings of uvicorn, which would close them after 40 seconds."""
COMMANDS = {
    BROADCAST: ["-m", "bench.floors.broadcast", "{port}"],
    "uvicorn": [
        "-m",
        "uvicorn",
        "--port",
        "{port}",
        "--log-level",
        "warning",
        *_NO_PINGS,
        "bench.feed_app:application",
    ],
    "daphne": ["-m", "daphne", "-p", "{port}", "-v", "0", "bench.feed_app:application"],
}
PATHS = {"feed": "/ws/gpu", "dashboard": "/ws/dashboard"}
_SETTLE_SECONDS = 1.5
_ENOUGH = 0.9
"""The share of the due messages that must arrive."""
GUNICORN = ["-m", "gunicorn", "-c", "deploy/gunicorn/gunicorn.conf.py", "bench.feed_app:application"]
"""With gpumon's own worker: `load` measures what is deployed."""


class Side(NamedTuple):
    """A server, and the process that runs its clients."""

    pid: int
    clients: Child


@contextmanager
def server_of(name: str, *, hz: float, among: Sequence[str] = tuple(COMMANDS)) -> Iterator[Server]:
    """Run the server of this name, which runs `among` others. Each has its own phase, so that they do not all send at once."""
    environment = {"BENCH_HZ": str(hz), "BENCH_PHASE": str(among.index(name) / len(among))}
    command = [sys.executable, *(GUNICORN if name == "gunicorn" else COMMANDS[name])]
    with data_folder() as folder, listening(Server(folder, environment, command)) as server:
        yield server


@contextmanager
def side(name: str, path: str, *, clients: int, hz: float) -> Iterator[Side]:
    """Start the server of this name and connect its clients; at the end stop the clients first, then the server."""
    with (
        server_of(name, hz=hz) as server,
        child("bench.clients.readers", str(server.port), path, str(clients)) as readers,
    ):
        readers.answer()  # all are connected
        assert server.process is not None
        yield Side(server.process.pid, readers)


class Ages(NamedTuple):
    """The age of messages in seconds."""

    p50: float
    p99: float


def measure_ages(
    servers: Mapping[str, Server], path: str, *, clients: int, hz: float, seconds: float
) -> dict[str, Ages]:
    """Connect this many clients to each server, and measure all of them over the same seconds."""
    with ExitStack() as stack:
        readers = {
            name: stack.enter_context(child("bench.clients.delay_readers", str(server.port), path, str(clients)))
            for name, server in servers.items()
        }
        for each in readers.values():
            each.answer()  # all are connected
        time.sleep(_SETTLE_SECONDS)
        for each in readers.values():
            each.ask("begin")
        time.sleep(seconds)
        ages = {name: each.ask("ages") for name, each in readers.items()}
    for name, of_side in ages.items():
        due = hz * clients * seconds
        if len(of_side) < _ENOUGH * due - clients:
            raise CouldNotMeasure(f"{name} delivered {len(of_side)} messages of {path} where {due:.0f} were due")
    return {name: _ages(of_side) for name, of_side in ages.items()}


def _ages(seconds: list[float]) -> Ages:
    percentiles = quantiles(seconds, n=100, method="inclusive")
    return Ages(percentiles[49], percentiles[98])
