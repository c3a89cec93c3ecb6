"""Resident memory of server and sampler, and whether it goes on rising."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from statistics import linear_regression

import psutil

from bench.figures import CouldNotMeasure, Figure
from bench.host import Host, fake_host
from bench.serving import processes, serving, watched

_MIB = 1 << 20
_HZ = 10
_SETTLE_SECONDS = 70.0
"""The chart's ring holds 60 s of readings and is full after that."""
_HALF_HOUR_READINGS = 1800
"""At one a second."""


def measure(minutes: float) -> Iterator[Figure]:
    """Memory at ten readings a second, all of them different, with a page and a feed open; it is watched for `minutes`.

    Ten times the pace makes ten times the readings, so what leaks with readings is seen in a tenth of the time.
    """
    with (
        fake_host() as host,
        serving(host, hz=_HZ) as server,
        watched(server),
    ):
        pids = processes(server)
        _watch(host, pids, _SETTLE_SECONDS)
        began = server.json("/api/snapshot")["seq"]
        seconds, resident = _watch(host, pids, minutes * 60)
        readings = server.json("/api/snapshot")["seq"] - began
        proportional = sum(psutil.Process(pid).memory_full_info().pss for pid in pids)
    if readings < 0.8 * seconds[-1] * _HZ:
        raise CouldNotMeasure(f"only {readings} readings in {seconds[-1]:.0f} s")
    yield Figure(max(resident), " MB", 150, "memory: resident (RSS) in all processes together, the most seen")
    yield Figure(proportional / _MIB, " MB", None, "PSS at the end: pages shared with others counted by their share")
    a_reading = linear_regression(seconds, resident).slope * seconds[-1] / readings
    half_hours = readings / _HALF_HOUR_READINGS
    told = f"rise in 30 minutes at 1 Hz, from {minutes:g} min at {_HZ} Hz ({half_hours:.2g} times as many readings)"
    yield Figure(max(0.0, a_reading * _HALF_HOUR_READINGS), " MB", 1, told)


def _watch(host: Host, pids: Sequence[int], seconds: float) -> tuple[list[float], list[float]]:
    """Seconds and megabytes, side by side, while every value of every GPU changes at each reading."""
    began = time.monotonic()
    at: list[float] = []
    resident: list[float] = []
    while not at or at[-1] < seconds:
        host.change()
        time.sleep(1 / _HZ)
        at.append(time.monotonic() - began)
        resident.append(sum(psutil.Process(pid).memory_info().rss for pid in pids) / _MIB)
    return at, resident
