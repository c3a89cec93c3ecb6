"""The size of the messages that keep a page current: bytes as they are sent, before any compression."""

from __future__ import annotations

import json
from collections.abc import Iterator
from statistics import mean

from websockets.sync.client import connect

from bench.figures import Figure
from bench.floors.page import values_of
from bench.host import GPUS, PROCESSES
from bench.serving import replaying, serving
from tests.support.servers import Server

_HZ, _TICKS = 5, 50
_BOUND_KB = 12.0


def measure() -> Iterator[Figure]:
    with replaying(gpus=GPUS, hz=_HZ) as server:
        sizes, values = _deltas(server)
    measured = f"delta a tick, all {values:.0f} values changing, {GPUS} GPUs × {PROCESSES} processes"
    yield Figure(max(sizes) / 1e3, " kB", _BOUND_KB, f"the largest {measured}")
    yield Figure(mean(sizes) / 1e3, " kB", _BOUND_KB, f"the mean {measured}")
    with serving(telemetry_provider="simulated", poll_interval_ms=1000 // _HZ) as server:
        sizes, values = _deltas(server)
    measured = f"the mean of `make demo`, {values:.0f} values changing; the largest {max(sizes) / 1e3:.1f} kB"
    yield Figure(mean(sizes) / 1e3, " kB", None, measured)


def _deltas(server: Server) -> tuple[list[int], float]:
    """Bytes of each delta, and the mean number of values in a delta."""
    sizes: list[int] = []
    values: list[int] = []
    with connect(f"{server.ws}/ws/dashboard?view=cards", additional_headers={"Origin": server.url}) as socket:
        while len(sizes) < _TICKS:
            text = str(socket.recv(timeout=10))
            message = json.loads(text)
            if message["kind"] == "delta":
                sizes.append(len(text.encode()))
                values.append(len(values_of(message["content"])))
    return sizes, mean(values)
