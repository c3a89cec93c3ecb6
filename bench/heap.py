"""Whether an open page grows: its heap once garbage is collected, and its DOM nodes, while every value changes."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.chromium import Meter, opened
from bench.figures import CouldNotMeasure, Figure
from bench.host import GPUS
from bench.replayed import replayed
from tests.support.chromium import chromium

_HZ = 10
"""Twice the pace of the other figures: what leaks with ticks is seen in half of the time."""
_SETTLE_SECONDS = 62.0
"""The charts hold 60 s of readings and are full after that."""
_BETWEEN_SECONDS = 7.5
_ENDS = 3
"""So many samples at the start and at the end, of which the median counts."""
_TICKS = 3000
"""Ten minutes at 5 Hz."""


def measure(minutes: float) -> Iterator[Figure]:
    """Heap and nodes at the end of `minutes` against the start: five minutes have as many ticks as ten at 5 Hz."""
    with replayed(gpus=GPUS, hz=_HZ) as server, chromium() as browser:
        page = opened(browser)
        page.goto(f"{server.url}/")
        meter = Meter(page)
        page.wait_for_timeout(_SETTLE_SECONDS * 1000)
        began = server.json("/api/snapshot")["seq"]
        heaps: list[float] = []
        nodes: list[float] = []
        for sample in range(1 + max(2 * _ENDS, round(minutes * 60 / _BETWEEN_SECONDS))):
            if sample:
                page.wait_for_timeout(_BETWEEN_SECONDS * 1000)
            heap, count = meter.settled()
            heaps.append(heap)
            nodes.append(count)
        ticks = server.json("/api/snapshot")["seq"] - began
    due = (len(heaps) - 1) * _BETWEEN_SECONDS * _HZ
    if ticks < 0.8 * due:
        raise CouldNotMeasure(f"only {ticks} readings where {due:.0f} were due")
    watched = f"{minutes:g} min at {_HZ} Hz ({ticks / _TICKS:.2g} times the ticks of 10 min at 5 Hz)"
    told = f"page: rise of the heap after garbage collection, of {_first(heaps) / 1e6:.2f} MB, in {watched}"
    yield Figure(max(0.0, 100 * (_last(heaps) / _first(heaps) - 1)), " %", 5, told)
    told = f"page: DOM nodes more than the {_first(nodes):.0f} there were, in the same time"
    yield Figure(max(0.0, _last(nodes) - _first(nodes)), "", 0, told)


def _first(samples: list[float]) -> float:
    return median(samples[:_ENDS])


def _last(samples: list[float]) -> float:
    return median(samples[-_ENDS:])
