"""What the first response costs the server: CPU of `GET /`, beside what the server takes without being asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from bench.cpu import Stopwatch
from bench.figures import CouldNotMeasure, Figure
from bench.host import GPUS, PROCESSES
from bench.replayed import replayed
from bench.serving import processes

_ROUNDS, _REQUESTS, _WARM_UP = 7, 20, 10


def measure() -> Iterator[Figure]:
    """The figure of the first response."""
    with replayed(gpus=GPUS, hz=1) as server:
        pid = processes(server)[0]
        for _ in range(_WARM_UP):
            server.get("/")
        costs = []
        for _ in range(_ROUNDS):
            watch = Stopwatch([pid])
            for _ in range(_REQUESTS):
                status, _ = server.get("/")
                if status != 200:
                    raise CouldNotMeasure(f"GET / was answered with {status}")
            spent, wall = watch.cpu, watch.wall
            idle = Stopwatch([pid])
            time.sleep(wall)
            costs.append((spent - idle.cpu) / _REQUESTS)
    told = (
        f"first response: CPU of the server for `GET /`, less what it takes anyway, {GPUS} GPUs × {PROCESSES} processes"
    )
    yield Figure(median(costs) * 1e3, " ms", 30, told)
