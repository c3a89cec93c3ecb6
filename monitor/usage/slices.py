"""The grid of the ledger: quarter-hours of Unix time, each of 15 minutes. Every time zone in use begins its hours on it."""

from __future__ import annotations

from collections.abc import Iterator

SLICE_SECONDS = 900
MINUTE_SECONDS = 60


def slice_start(at: float) -> int:
    """Start of the slice that contains this moment."""
    return int(at // SLICE_SECONDS) * SLICE_SECONDS


def minute_start(at: float) -> int:
    """Start of the minute that contains this moment."""
    return int(at // MINUTE_SECONDS) * MINUTE_SECONDS


def minutes(start: float, end: float) -> Iterator[tuple[float, float]]:
    """The parts of a span that lie in one minute each, in order."""
    while start < end:
        until = min(end, float(minute_start(start) + MINUTE_SECONDS))
        yield start, until
        start = until
