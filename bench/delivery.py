"""What a message to one client costs: gpumon's feed under uvicorn and daphne against the `websockets` library's broadcast.

The same bytes, made anew of a snapshot for each tick, to as many clients, as often. Every side has the same clients, in a
process of their own; all are up at the same time and measured over the same seconds, so what disturbs one disturbs the others.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import NamedTuple

from bench import message
from bench.child import ROOT, Child, child
from bench.cpu import Stopwatch
from bench.figures import CouldNotMeasure, Figure
from tests.support.servers import free_port, wait_for

_ROUNDS, _SECONDS, _SETTLE_SECONDS = 9, 3.0, 2.0
_CLIENTS = {50: 10.0, 300: 4.0}
"""How many clients, at how many messages a second: 300 at 10 Hz on three sides are more than two cores deliver."""
_BROADCAST = "websockets"
_COMMANDS = {
    _BROADCAST: ["-m", "bench.broadcast", "{port}"],
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "bench.feed_app:application"],
    "daphne": ["-m", "daphne", "-p", "{port}", "-v", "0", "bench.feed_app:application"],
}
_BOUNDS = {"uvicorn": 1.5, "daphne": 4.0}


class Side(NamedTuple):
    """A server and its clients."""

    pid: int
    clients: Child


def measure() -> Iterator[Figure]:
    """The figures of a delivered message."""
    for count, hz in _CLIENTS.items():
        with ExitStack() as stack:
            sides = {name: stack.enter_context(_side(command, count, hz)) for name, command in _COMMANDS.items()}
            time.sleep(_SETTLE_SECONDS)
            rounds = [_round(sides, count, hz) for _ in range(_ROUNDS)]
        for name, bound in _BOUNDS.items():
            ratio = median(costs[name] / costs[_BROADCAST] for costs in rounds)
            told = f"delivery: CPU of a message under {name} / of the websockets library's broadcast, {count} clients"
            yield Figure(ratio, "×", bound, told)
        floor = median(costs[_BROADCAST] for costs in rounds)
        told = f"a message of that broadcast: {message.frame_bytes() / 1000:.0f} kB, {hz:g} Hz, {count} clients"
        yield Figure(floor * 1e6, " µs", None, told)


def _round(sides: dict[str, Side], count: int, hz: float) -> dict[str, float]:
    """CPU seconds a delivered message on each side, over the same seconds."""
    watch = Stopwatch(side.pid for side in sides.values())
    before = {name: side.clients.ask("count") for name, side in sides.items()}
    time.sleep(_SECONDS)
    costs = {}
    for name, side in sides.items():
        messages = (side.clients.ask("count") - before[name]) / message.frame_bytes()
        due = hz * count * watch.wall
        if not 0.8 * due < messages < 1.2 * due:
            raise CouldNotMeasure(f"{name} delivered {messages:.0f} messages where {due:.0f} were due")
        costs[name] = watch.cpu_of(side.pid) / messages
    return costs


@contextmanager
def _side(command: list[str], count: int, hz: float) -> Iterator[Side]:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, *(part.format(port=port) for part in command)],
        cwd=ROOT,
        env={**os.environ, "BENCH_HZ": str(hz)},
    )
    try:
        with ExitStack() as stack:
            wait_for(lambda: _listens(server, port), "the server to listen")
            clients = stack.enter_context(child("bench.readers", str(port), "/ws/gpu", str(count)))
            clients.answer()  # all are let in
            yield Side(server.pid, clients)
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _listens(server: subprocess.Popen[bytes], port: int) -> bool:
    if server.poll() is not None:
        raise CouldNotMeasure(f"{server.args!r} ended with exit status {server.returncode}")
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
