"""A whole tick in all processes together: from the driver to the bytes of a page and of the feed, every value changing."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.cpu import Stopwatch
from bench.figures import CouldNotMeasure, Figure
from bench.host import Host, fake_host
from bench.serving import processes, serving, watched

_SECONDS, _HZ = 20.0, 10


def measure() -> Iterator[Figure]:
    """CPU of server and sampler a reading, at ten readings a second with one page and one feed open.

    That is more than from reading to bytes ready: sending them, the event loop and the pipe count as well, and that the
    fake driver reads its values from a file.
    """
    with (
        fake_host() as host,
        serving(host, hz=_HZ) as server,
        watched(server),
    ):
        _let_values_change(host, 3.0)
        pids = processes(server)
        began, watch = server.json("/api/snapshot")["seq"], Stopwatch(pids)
        _let_values_change(host, _SECONDS)
        ticks = server.json("/api/snapshot")["seq"] - began
        spent, of_server, wall = watch.cpu, watch.cpu_of(pids[0]), watch.wall
    if ticks < 0.8 * wall * _HZ:
        raise CouldNotMeasure(f"only {ticks} readings in {wall:.0f} s")
    told = f"whole tick: CPU of all processes a reading, to the bytes of page and feed sent, {ticks} ticks at {_HZ} Hz"
    yield Figure(spent / ticks * 1e3, " ms", 5, told)
    yield Figure(of_server / ticks * 1e3, " ms", None, "of that the server; the rest is the sampler")


def _let_values_change(host: Host, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        host.change()
        time.sleep(1 / _HZ)
