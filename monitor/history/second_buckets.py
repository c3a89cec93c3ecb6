"""Readings of one source become buckets of a second; faster readings are merged."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from monitor.history.buckets import Buckets, Column, Values, empty
from monitor.history.energy import EnergyMeter
from monitor.history.gaps import LONGEST_WAIT
from monitor.history.metrics import Metric
from monitor.history.rollup import merged

_MOST_ROWS = 600
"""Readings that are kept apart before they are merged."""


class SecondBuckets:
    """The newest seconds of one source. Not for several threads."""

    def __init__(self, metrics: Sequence[Metric], begun: Buckets | None = None) -> None:
        """`begun`: buckets to go on from, as read back after a restart."""
        self._metrics = tuple(metrics)
        names = [metric.name for metric in metrics]
        self._energy = names.index("energy_joules") if "energy_joules" in names else None
        self._power = names.index("power_watts") if "power_watts" in names else 0
        self._meter = EnergyMeter()
        self._last_at: float | None = None
        self._done = begun or empty()
        self._starts: list[int] = []
        self._seconds: list[float] = []
        self._rows: list[list[float | None]] = []

    @property
    def newest(self) -> int | None:
        """The start of the newest bucket; None if there is no bucket."""
        starts = self._starts or self._done.starts
        return starts[-1] if starts else None

    def add(self, at: float, source: Any, interval_seconds: float) -> bool:
        """Add the reading of a Gpu or System at this time (Unix seconds); the interval is the one between readings.

        False if the clock was set back behind the newest bucket: take all buckets first, then add the reading again.
        """
        second, newest = int(at), self.newest
        if newest is not None and second < newest:
            return False
        passed = 0.0 if self._last_at is None else at - self._last_at
        self._last_at = at
        is_consecutive = 0 < passed <= LONGEST_WAIT * interval_seconds
        seconds = passed if is_consecutive else interval_seconds
        values = [metric.read(source) for metric in self._metrics]
        if self._energy is not None:
            counter, watts = values[self._energy], values[self._power]
            values[self._energy] = self._meter.used(counter, watts, seconds, is_consecutive=is_consecutive)
        self._starts.append(second)
        self._seconds.append(seconds)
        self._rows.append(values)
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
        found = self.buckets()
        place = bisect_left(found.starts, end)
        self._done = found.slice(place, len(found.starts))
        return found.slice(0, place)

    def _readings(self) -> Buckets:
        """The readings as columns; several can start in the same second."""
        columns = {}
        for metric, values in zip(self._metrics, zip(*self._rows, strict=True), strict=True):
            column: Values = [*values]
            unknown = column.count(None)
            if unknown == len(column):
                continue
            known = self._seconds
            if unknown:
                known = [0.0 if value is None else each for value, each in zip(column, known, strict=True)]
            columns[metric.name] = Column(column, column, column, known)
        return Buckets(self._starts, self._seconds, columns)
