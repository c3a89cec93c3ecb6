"""Rates from counters that only rise: bytes per second from bytes, watts from millijoules."""

from __future__ import annotations

NEEDS_TWO_READINGS = "needs two readings"
_SHORTEST_SECONDS = 0.05
"""Over less, the steps in which the driver updates its counters show, not the rate."""


def risen(before: float, after: float, bits: int) -> float | None:
    """How far a counter of this width has risen, wrapping at most once; None if a 64-bit one fell, so started over."""
    if after >= before:
        return after - before
    return None if bits == 64 else after - before + (1 << bits)


class Counter:
    """Remembers the last value of one counter and computes its rate since then."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def rate(self, value: float, at: float, bits: int = 64) -> float | None:
        """Units per second since the previous call; None the first time and after the counter started over.

        `at` is monotonic seconds, `bits` the counter's width, by the type of the driver's answer.
        """
        last = self._last
        if last is not None and 0 <= at - last[1] < _SHORTEST_SECONDS:
            return None
        self._last = (value, at)
        if last is None or at < last[1] or (difference := risen(last[0], value, bits)) is None:
            return None
        return difference / (at - last[1])
