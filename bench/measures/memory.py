"""Resident memory of server and sampler, and whether it keeps rising."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from statistics import linear_regression

import psutil

from bench.figures import Figure
from bench.host import Host, fake_host
from bench.serving import Readings, processes, serving_host, watched

_MIB = 1 << 20
_HZ = 10
_SETTLE_SECONDS = 16 * 60.0
"""The last 15 minutes are kept in memory, for charts and to test rules, and memory rises until then: by 8 MB of 156 in the
last 13 of them, and by 0.6 MB in the six minutes after that."""
_WRITE_SECONDS = 60.0
"""What history and usage hold rises until they are written down, so only the least of each such span is compared."""
_HALF_HOUR_READINGS = 1800
"""At one reading a second."""


def measure(minutes: float) -> Iterator[Figure]:
    """Memory over `minutes` at ten readings a second, every value changing, with a dashboard and a feed open.

    A leak grows with readings, so at ten times the usual rate it shows in a tenth of the time.
    """
    with (
        fake_host() as host,
        serving_host(host, hz=_HZ) as server,
        watched(server),
    ):
        pids = processes(server)
        _watch(host, pids, _SETTLE_SECONDS)
        readings = Readings(server)
        seconds, resident = _watch(host, pids, minutes * 60)
        count = readings.count(due=seconds[-1] * _HZ)
        proportional = sum(psutil.Process(pid).memory_full_info().pss for pid in pids)
    yield Figure(max(resident), " MB", 160, "resident memory (RSS) in all processes together, the most seen")
    yield Figure(proportional / _MIB, " MB", None, "PSS at the end: pages shared with others counted by their share")
    troughs = _troughs(seconds, resident)
    a_reading = linear_regression(range(len(troughs)), troughs).slope / _WRITE_SECONDS * seconds[-1] / count
    half_hours = count / _HALF_HOUR_READINGS
    measured = f"rise in 30 minutes at 1 Hz, from {minutes:g} min at {_HZ} Hz ({half_hours:.2g} times as many readings)"
    yield Figure(max(0.0, a_reading * _HALF_HOUR_READINGS), " MB", 1, measured)


def _troughs(seconds: Sequence[float], resident: Sequence[float]) -> list[float]:
    """The least memory of each whole span between two writes."""
    spans: dict[int, float] = {}
    for at, memory in zip(seconds, resident, strict=True):
        span = int(at // _WRITE_SECONDS)
        spans[span] = min(memory, spans.get(span, memory))
    return [spans[span] for span in range(int(seconds[-1] // _WRITE_SECONDS))]


def _watch(host: Host, pids: Sequence[int], seconds: float) -> tuple[list[float], list[float]]:
    """Seconds and megabytes, sampled while every value of every GPU changes at each reading."""
    began = time.monotonic()
    at: list[float] = []
    resident: list[float] = []
    while not at or at[-1] < seconds:
        host.change_for(1 / _HZ, hz=_HZ)
        at.append(time.monotonic() - began)
        resident.append(sum(psutil.Process(pid).memory_info().rss for pid in pids) / _MIB)
    return at, resident
