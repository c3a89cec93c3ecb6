"""A whole tick in all processes together, from the driver to the bytes of a page and of the feed, against its floor."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.child import child
from bench.cpu import Stopwatch
from bench.figures import Figure
from bench.host import fake_host
from bench.serving import Readings, processes, serving_host, watched

_HZ, _ROUNDS, _SECONDS, _SETTLE_SECONDS = 10, 7, 3.0, 3.0
_BOUND = 11
"""Measured: 8.0 to 9.0. Besides the floor's work,
a tick reads 32 processes and the host, crosses a pipe, and makes and sends a delta."""


def measure() -> Iterator[Figure]:
    """CPU of server and sampler per reading, at ten readings a second with one dashboard and one feed open.

    The floor makes the same driver calls at the same rate over the same seconds, and encodes the snapshot as JSON.
    """
    with (
        fake_host() as host,
        serving_host(host, hz=_HZ) as server,
        watched(server),
        child("bench.ticks", "floor", str(1 / _HZ), server.url, environment=host.environment) as floor,
    ):
        pids = processes(server)
        floor.send(round(_SETTLE_SECONDS * _HZ))
        host.change_for(_SETTLE_SECONDS, hz=_HZ)
        floor.answer()
        ticks, of_server, floors = [], [], []
        for _ in range(_ROUNDS):
            readings, watch = Readings(server), Stopwatch(pids)
            floor.send(round(_SECONDS * _HZ))
            host.change_for(_SECONDS, hz=_HZ)
            spent, of_first, wall = watch.cpu, watch.cpu_of(pids[0]), watch.wall
            count = readings.count(due=wall * _HZ)
            ticks.append(spent / count)
            of_server.append(of_first / count)
            floors.append(floor.answer() / round(_SECONDS * _HZ))
    ratio = median(tick / least for tick, least in zip(ticks, floors, strict=True))
    measured = (
        "CPU of all processes a reading, with a dashboard and a feed open / of its bare pynvml calls and its JSON"
    )
    yield Figure(ratio, "x", _BOUND, measured)
    yield Figure(median(ticks) * 1e3, " ms", None, f"that reading, at {_HZ} Hz")
    yield Figure(median(of_server) * 1e3, " ms", None, "of that the server; the rest is the sampler")
    yield Figure(median(floors) * 1e3, " ms", None, "the floor: the bare calls and the JSON")
