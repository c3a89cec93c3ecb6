"""How large the messages are that keep a page current: bytes as they are sent, before any compression."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from websockets.sync.client import connect

from bench.figures import Figure
from bench.floor import values_of
from bench.host import GPUS, PROCESSES
from bench.replayed import replayed
from tests.support.servers import Server, wait_for

_HZ, _TICKS = 5, 50
_BOUND_KB = 12.0


def measure() -> Iterator[Figure]:
    """The figures of a delta."""
    with replayed(gpus=GPUS, hz=_HZ) as server:
        sizes, values = _deltas(server)
    told = f"delta a tick, all values changing ({values:.0f} of them), {GPUS} GPUs × {PROCESSES} processes"
    yield Figure(max(sizes) / 1e3, " kB", _BOUND_KB, f"the largest {told}")
    yield Figure(mean(sizes) / 1e3, " kB", _BOUND_KB, f"the mean {told}")
    with TemporaryDirectory(prefix="gpumon-bench-") as folder:
        server = Server(Path(folder), telemetry_provider="simulated", poll_interval_ms=1000 // _HZ).start()
        try:
            wait_for(lambda: server.get("/api/health")[0] == 200, "readings")
            sizes, values = _deltas(server)
        finally:
            server.stop()
    told = f"the mean of `make demo`, {values:.0f} values changing; the largest {max(sizes) / 1e3:.1f} kB"
    yield Figure(mean(sizes) / 1e3, " kB", None, told)


def _deltas(server: Server) -> tuple[list[int], float]:
    """Bytes of each delta, and how many values are in one on average."""
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
