"""Readings of one source become buckets of a second; faster readings are merged."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from monitor.history.buckets import Buckets, Column, Values, empty
from monitor.history.energy import EnergyMeter
from monitor.history.gaps import LONGEST_WAIT
from monitor.history.metrics import Metric, reader_of
from monitor.history.rollup import merged

_MOST_ROWS = 600
"""Readings that are kept apart before they are merged."""


class SecondBuckets:
    """The newest seconds of one source. Not for several threads."""

    def __init__(self, metrics: Sequence[Metric], begun: Buckets | None = None) -> None:
        """`begun`: buckets to go on from, as read back after a restart."""
        self._names = names = [metric.name for metric in sorted(metrics, key=lambda metric: not metric.is_field)]
        self._read = reader_of(metrics)
        self._energy = names.index("energy_joules") if "energy_joules" in names else None
        self._power = names.index("power_watts") if "power_watts" in names else 0
        self._meter = EnergyMeter()
        self._last_at: float | None = None
        self._done = begun or empty()
        self._starts: list[int] = []
        self._seconds: list[float] = []
        self._rows: list[tuple[float | None, ...]] = []
        """Tuples of numbers, which the garbage collector looks at once only: a large hub has a hundred thousand of them."""

    @property
    def newest(self) -> int | None:
        """The start of the newest bucket; None if there is no bucket."""
        starts = self._starts or self._done.starts
        return starts[-1] if starts else None

    def add(self, at: float, source: Any, interval_seconds: float) -> bool:
        """Add the reading of a Gpu or System at this time (Unix seconds); the interval is the one between readings.

        False if the clock was set back behind the newest bucket: take all buckets first, then add the reading again.
        """
        second = int(at)
        starts = self._starts or self._done.starts
        if starts and second < starts[-1]:
            return False
        passed = 0.0 if self._last_at is None else at - self._last_at
        self._last_at = at
        is_consecutive = 0 < passed <= LONGEST_WAIT * interval_seconds
        seconds = passed if is_consecutive else interval_seconds
        values = self._read(source)
        if self._energy is not None:
            counter, watts = values[self._energy], values[self._power]
            values[self._energy] = self._meter.used(counter, watts, seconds, is_consecutive=is_consecutive)
        self._starts.append(second)
        self._seconds.append(seconds)
        self._rows.append(tuple(values))
        if len(self._rows) >= _MOST_ROWS:
            self.buckets()
        return True

    def buckets(self) -> Buckets:
        """All buckets so far. The newest one can still change."""
        if self._starts:
            self._done = merged([self._done, self._readings()], 1)
            self._starts, self._seconds, self._rows = [], [], []
        return self._done

    def take_before(self, end: float) -> Buckets:
        """Remove and return the buckets that start before `end`."""
        if not self._done.starts:  # else it is a rare call, and the readings are added to them first
            place = bisect_left(self._starts, end)
            found = merged([self._readings(place)], 1)
            for waiting in (self._starts, self._seconds, self._rows):
                del waiting[:place]
            return found
        found = self.buckets()
        place = bisect_left(found.starts, end)
        self._done = found.slice(place, len(found.starts))
        return found.slice(0, place)

    def _readings(self, count: int | None = None) -> Buckets:
        """The first readings, or all, as columns; several can start in the same second."""
        seconds = self._seconds[:count]
        columns = {}
        for name, values in zip(self._names, zip(*self._rows[:count], strict=True), strict=False):
            column: Values = [*values]
            unknown = column.count(None)
            if unknown == len(column):
                continue
            known = seconds
            if unknown:
                known = [0.0 if value is None else each for value, each in zip(column, known, strict=True)]
            columns[name] = Column(column, column, column, known)
        return Buckets(self._starts[:count], seconds, columns)
