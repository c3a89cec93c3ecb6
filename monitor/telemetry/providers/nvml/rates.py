"""Rates from counters that only rise: bytes a second from bytes, watts from joules."""

from __future__ import annotations

NEEDS_TWO_READINGS = "needs two readings"
_WRAP = 1 << 32
_MOST_PLAUSIBLE_PER_SECOND = 2e12
"""Above any bus of a GPU (NVLink 5 has 1.8 TB/s both ways): a wrapped or restarted counter, not a rate."""
_SHORTEST_SECONDS = 0.05
"""Over less the counter's own steps show, not the rate."""


class Counter:
    """Remembers the last value of one counter and answers its rate since then."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def rate(self, value: float, at: float) -> float | None:
        """Units a second since the previous call; None the first time and after the counter started over.

        `at` is monotonic seconds. NVML documents no width for its byte counters, so one that fell is taken as 32 bits
        wide and wrapped once where that gives a plausible rate.
        """
        last = self._last
        if last is not None and 0 <= at - last[1] < _SHORTEST_SECONDS:
            return None
        self._last = (value, at)
        if last is None or at < last[1]:
            return None
        difference = value - last[0]
        if difference < 0 and last[0] < _WRAP:
            difference += _WRAP
        rate = difference / (at - last[1])
        return rate if 0 <= rate <= _MOST_PLAUSIBLE_PER_SECOND else None
