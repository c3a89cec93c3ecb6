"""What a host costs with more GPUs, or with more processes on the same GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

import psutil

from bench.child import child
from bench.cpu import Stopwatch
from bench.growth.row import Row
from bench.host import PROCESSES, Host, fake_host
from bench.serving import Readings, processes, serving_host

_ROUNDS, _TICKS = 5, 20
_PAUSE_SECONDS = "0.005"
_HZ, _SETTLE_SECONDS, _SECONDS = 2, 4.0, 10.0
_FEW_GPUS = 4
"""With the processes that grow. The fake driver lists at most 128 of a GPU."""


class _Cost(NamedTuple):
    tick_ms: float
    whole_ms: float
    snapshot_kb: float
    delta_kb: float
    memory_mb: float


_MEASURED = {
    "tick_ms": "CPU of a fast tick, ms",
    "whole_ms": "CPU of a reading in all processes, ms",
    "snapshot_kb": "snapshot, kB",
    "delta_kb": "delta of a page, kB",
    "memory_mb": "memory (PSS) of all processes, MB",
}


def with_gpus(counts: Sequence[int] = (1, 8, 64, 128)) -> Iterator[Row]:
    """GPUs with 4 processes each."""
    return _rows(f"GPUs, {PROCESSES} processes each", {count: _measured(count, PROCESSES) for count in counts})


def with_processes(counts: Sequence[int] = (0, 16, 128, 500)) -> Iterator[Row]:
    """Processes on 4 GPUs."""
    costs = {count: _measured(_FEW_GPUS, count // _FEW_GPUS) for count in counts}
    return _rows(f"processes on {_FEW_GPUS} GPUs", costs)


def _rows(grows: str, costs: dict[int, _Cost]) -> Iterator[Row]:
    for field, words in _MEASURED.items():
        yield Row(grows, words, {size: getattr(cost, field) for size, cost in costs.items()})


def _measured(gpus: int, processes_each: int) -> _Cost:
    with fake_host(gpus=gpus, processes=processes_each) as host:
        return _Cost(_fast_tick(host), *_served(host))


def _fast_tick(host: Host) -> float:
    """Milliseconds."""
    with child("bench.ticks", "provider", _PAUSE_SECONDS, environment=host.environment) as provider:
        provider.ask(_TICKS)  # opens the driver and warms up Python
        return median(provider.ask(_TICKS) for _ in range(_ROUNDS)) / _TICKS * 1e3


def _served(host: Host) -> tuple[float, float, float, float]:
    """Milliseconds a reading, kilobytes of a snapshot and of a delta, megabytes: with a page and a feed, every value changing."""
    with (
        serving_host(host, hz=_HZ) as server,
        child("bench.clients.readers", str(server.port), "/ws/dashboard", "1") as page,
        child("bench.clients.readers", str(server.port), "/ws/gpu", "1") as feed,
    ):
        for client in (page, feed):
            client.answer()  # it is connected
        host.change_for(_SETTLE_SECONDS, hz=_HZ)
        pids = processes(server)
        readings, watch = Readings(server), Stopwatch(pids)
        before = page.ask("count")
        host.change_for(_SECONDS, hz=_HZ)
        spent, wall = watch.cpu, watch.wall
        delta = page.ask("count") - before
        feed.ask("count")  # it is still connected
        count = readings.count(due=wall * _HZ)
        snapshot = len(server.get("/api/snapshot")[1])
        memory = sum(psutil.Process(pid).memory_full_info().pss for pid in pids)
    return spent / count * 1e3, snapshot / 1e3, delta / count / 1e3, memory / 1e6
