"""Whether an open page grows: its heap once garbage is collected, and its DOM nodes, while every value changes."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import linear_regression

from bench.chromium import Meter, chromium, opened
from bench.figures import CouldNotMeasure, Figure
from bench.host import GPUS
from bench.replayed import replayed

_HZ = 10
"""Twice the pace of the other figures: what leaks with ticks is seen in half of the time."""
_SETTLE_SECONDS = 62.0
"""The charts hold 60 s of readings and are full after that."""
_BETWEEN_SECONDS = 10.0
_TICKS = 3000
"""Ten minutes at 5 Hz."""
_KB = 1000.0


def measure(minutes: float) -> Iterator[Figure]:
    """Rise in 10 minutes at 5 Hz, by the slope over `minutes` at twice the rate."""
    with replayed(gpus=GPUS, hz=_HZ) as server, chromium() as browser:
        page = opened(browser)
        page.goto(f"{server.url}/")
        meter = Meter(page)
        page.wait_for_timeout(_SETTLE_SECONDS * 1000)
        began = server.json("/api/snapshot")["seq"]
        heaps: list[float] = []
        nodes: list[float] = []
        ticks: list[int] = []
        for _ in range(1 + max(2, round(minutes * 60 / _BETWEEN_SECONDS))):
            heap, count = meter.settled()
            heaps.append(heap / _KB)
            nodes.append(count)
            ticks.append(server.json("/api/snapshot")["seq"] - began)
            page.wait_for_timeout(_BETWEEN_SECONDS * 1000)
    due = (len(ticks) - 1) * _BETWEEN_SECONDS * _HZ
    if ticks[-1] < 0.8 * due:
        raise CouldNotMeasure(f"only {ticks[-1]} readings where {due:.0f} were due")
    watched = f"in 10 min at 5 Hz, from {minutes:g} min at {_HZ} Hz ({ticks[-1] / _TICKS:.2g} times as many ticks)"
    rise = linear_regression(ticks, heaps).slope * _TICKS
    yield Figure(max(0.0, rise), " kB", 100, f"page: rise of the heap after garbage collection {watched}")
    yield Figure(heaps[-1], " kB", None, f"that heap at the end; {heaps[0]:.0f} kB at the start")
    more = max(0.0, linear_regression(ticks, nodes).slope * _TICKS)
    yield Figure(more, "", 0.5, f"page: more DOM nodes {watched}; {nodes[-1]:.0f} at the end")
