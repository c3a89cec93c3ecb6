"""Buckets: what one source did in spans of equal width, as columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Values = list[float | None]


class Column(NamedTuple):
    """One metric, bucket by bucket; None where it is unknown."""

    low: Values
    mean: Values
    """Weighted by time; for an amount, such as energy, the sum, which `low` and `high` then are too."""
    high: Values
    seconds: list[float]
    """How long its value was known in each bucket; the same list as that of the buckets, unless it was unknown at times."""


class Buckets(NamedTuple):
    """Buckets of one source, in ascending order, without those of which nothing is known. Plain readings have one list
    as low, mean and high."""

    starts: list[int]
    """Unix seconds, multiples of the width."""
    seconds: list[float]
    """How much time each bucket stands for, above 0. A reading stands for the time since the one before, so that this
    can exceed the width by less than the time between two readings; the sum over many buckets is exact."""
    columns: dict[str, Column]
    """By the metric's name. A metric that was never known has no column."""

    @property
    def covered(self) -> set[int]:
        """The seconds (by their start) for which second buckets stand. A reading after a skipped one stands for both."""
        pairs = zip(self.starts, self.seconds, strict=True)
        return {each for start, seconds in pairs for each in range(start + 1 - max(1, round(seconds)), start + 1)}

    def between(self, start: float, end: float) -> Buckets:
        """The buckets that start in [start, end)."""
        first, last = bisect_left(self.starts, start), bisect_left(self.starts, end)
        if first == 0 and last == len(self.starts):
            return self
        return self.slice(first, last)

    def slice(self, first: int, last: int) -> Buckets:
        """The buckets with these places."""
        seconds = self.seconds[first:last]
        cut: dict[str, Column] = {}
        for name, (low, mean, high, known) in self.columns.items():
            middle = mean[first:last]
            cut[name] = Column(
                middle if low is mean else low[first:last],
                middle,
                middle if high is mean else high[first:last],
                seconds if known is self.seconds else known[first:last],
            )
        return Buckets(self.starts[first:last], seconds, cut)

    def at(self, places: Sequence[int]) -> Buckets:
        """The buckets with these places, in this order."""
        seconds = [self.seconds[place] for place in places]
        chosen: dict[str, Column] = {}
        for name, (low, mean, high, known) in self.columns.items():
            middle = [mean[place] for place in places]
            chosen[name] = Column(
                middle if low is mean else [low[place] for place in places],
                middle,
                middle if high is mean else [high[place] for place in places],
                seconds if known is self.seconds else [known[place] for place in places],
            )
        return Buckets([self.starts[place] for place in places], seconds, chosen)

    def only(self, names: Iterable[str]) -> Buckets:
        """With these metrics alone."""
        return Buckets(self.starts, self.seconds, {name: self.columns[name] for name in names if name in self.columns})


def empty() -> Buckets:
    """No bucket."""
    return Buckets([], [], {})


def joined(parts: Iterable[Buckets]) -> Buckets:
    """The parts one after another, each later than the one before (`rollup.merged` takes any)."""
    filled = [part for part in parts if part.starts]
    if len(filled) < 2:
        return filled[0] if filled else empty()
    starts: list[int] = []
    seconds: list[float] = []
    for part in filled:
        starts += part.starts
        seconds += part.seconds
    names = dict.fromkeys(name for part in filled for name in part.columns)
    return Buckets(starts, seconds, {name: _joined(filled, name, seconds) for name in names})


def _joined(parts: list[Buckets], name: str, seconds: list[float]) -> Column:
    low: Values = []
    mean: Values = []
    high: Values = []
    known: list[float] = []
    found = [(part, part.columns.get(name)) for part in parts]
    is_plain = all(column is None or column.low is column.mean is column.high for _part, column in found)
    is_always_known = all(column is not None and column.seconds is part.seconds for part, column in found)
    for part, column in found:
        if column is None:
            unknown: Values = [None] * len(part.starts)
            column = Column(unknown, unknown, unknown, [0.0] * len(part.starts))
        mean += column.mean
        if not is_plain:
            low += column.low
            high += column.high
        if not is_always_known:
            known += column.seconds
    return Column(mean if is_plain else low, mean, mean if is_plain else high, seconds if is_always_known else known)
