"""Whether an open page grows: its heap after garbage collection, and its DOM nodes, while every value changes."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.chromium import Meter, opened
from bench.figures import Figure
from bench.host import GPUS
from bench.serving import Readings, replaying
from tests.support.chromium import chromium

_HZ = 10
"""Twice the rate of the other figures: a leak grows with ticks, and so shows in half the time."""
_SETTLE_SECONDS = 62.0
"""The charts hold 60 s of readings, and the heap rises until they are full."""
_BETWEEN_SECONDS = 7.5
_ENDS = 3
"""Samples at the start and at the end, of each of which the median counts."""
_TICKS = 3000
"""As many ticks as ten minutes at 5 Hz."""


def measure(minutes: float) -> Iterator[Figure]:
    """Heap and nodes at the end of `minutes` against the start: five minutes have as many ticks as ten at 5 Hz."""
    with replaying(gpus=GPUS, hz=_HZ) as server, chromium() as browser:
        page = opened(browser)
        page.goto(f"{server.url}/")
        meter = Meter(page)
        page.wait_for_timeout(_SETTLE_SECONDS * 1000)
        readings = Readings(server)
        heaps: list[float] = []
        nodes: list[float] = []
        for sample in range(1 + max(2 * _ENDS, round(minutes * 60 / _BETWEEN_SECONDS))):
            if sample:
                page.wait_for_timeout(_BETWEEN_SECONDS * 1000)
            heap, count = meter.settled()
            heaps.append(heap)
            nodes.append(count)
        ticks = readings.count(due=(len(heaps) - 1) * _BETWEEN_SECONDS * _HZ)
    watched = f"{minutes:g} min at {_HZ} Hz ({ticks / _TICKS:.2g} times the ticks of 10 min at 5 Hz)"
    measured = f"rise of the page's heap after garbage collection, of {_first(heaps) / 1e6:.2f} MB, in {watched}"
    yield Figure(max(0.0, 100 * (_last(heaps) / _first(heaps) - 1)), " %", 5, measured)
    measured = f"DOM nodes more than the {_first(nodes):.0f} there were, in the same time"
    yield Figure(max(0.0, _last(nodes) - _first(nodes)), "", 0, measured)


def _first(samples: list[float]) -> float:
    return median(samples[:_ENDS])


def _last(samples: list[float]) -> float:
    return median(samples[-_ENDS:])
