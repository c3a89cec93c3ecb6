"""What gpumon uses without viewers: CPU of all its processes together, at one reading per second."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.cpu import Stopwatch
from bench.figures import Figure
from bench.host import fake_host
from bench.serving import Readings, processes, serving_host

_SETTLE_SECONDS, _SECONDS = 6.0, 40.0


def measure() -> Iterator[Figure]:
    """CPU of server and sampler as a share of one core."""
    with fake_host() as host, serving_host(host, hz=1) as server:
        time.sleep(_SETTLE_SECONDS)
        pids = processes(server)
        readings, watch = Readings(server), Stopwatch(pids)
        time.sleep(_SECONDS)
        spent, of_server, wall = watch.cpu, watch.cpu_of(pids[0]), watch.wall
        readings.count(due=wall)
    measured = f"CPU of all processes, of one core, 1 Hz, no viewers, over {wall:.0f} s"
    yield Figure(100 * spent / wall, " %", 1, measured)
    yield Figure(100 * of_server / wall, " %", None, "of that the server; the rest is the sampler")
