"""Buckets of one width become wider ones, so that a peak of one second is seen in every range."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, pairwise
from operator import mul, truediv
from typing import cast

from monitor.history.buckets import Buckets, Column, Values, joined
from monitor.history.metrics import SUMS

Places = list[tuple[int, int]]
"""The first place of each wider bucket among the narrow ones, and the place after its last."""
_UNKNOWN = Column([None], [None], [None], [0.0])


def roll_up(buckets: Buckets, bucket_seconds: int) -> Buckets:
    """The lowest, the mean weighted by time, and the highest value of each wider bucket, with the time that it covers.

    What begins or ends within a bucket is kept as a bucket that covers less. Buckets that were rolled up in parts become one
    again when `merged`.
    """
    keys = [start // bucket_seconds for start in buckets.starts]
    places = _places(keys)
    if len(places) == len(keys):
        return Buckets([key * bucket_seconds for key in keys], buckets.seconds, buckets.columns)
    seconds = [sum(buckets.seconds[first:last]) for first, last in places]
    columns = {
        name: _rolled_up(column, places, seconds, is_sum=name in SUMS) for name, column in buckets.columns.items()
    }
    return Buckets([keys[first] * bucket_seconds for first, _last in places], seconds, columns)


def merged(parts: Iterable[Buckets], bucket_seconds: int) -> Buckets:
    """Parts of any order and overlap as one: buckets with the same start become one."""
    filled = sorted((part for part in parts if part.starts), key=lambda part: part.starts[0])
    together = joined(filled)
    if any(later.starts[0] < earlier.starts[-1] for earlier, later in pairwise(filled)):
        together = _sorted(together)
    return roll_up(together, bucket_seconds)


def _places(keys: list[int]) -> Places:
    changes = [place for place, (before, after) in enumerate(pairwise(keys), 1) if before != after]
    return list(pairwise([0, *changes, len(keys)])) if keys else []


def _sorted(buckets: Buckets) -> Buckets:
    order = sorted(range(len(buckets.starts)), key=buckets.starts.__getitem__)
    seconds = [buckets.seconds[place] for place in order]
    columns = {}
    for name, (low, mean, high, known) in buckets.columns.items():
        middle = [mean[place] for place in order]
        columns[name] = Column(
            middle if low is mean else [low[place] for place in order],
            middle,
            middle if high is mean else [high[place] for place in order],
            seconds if known is buckets.seconds else [known[place] for place in order],
        )
    return Buckets([buckets.starts[place] for place in order], seconds, columns)


def _rolled_up(column: Column, places: Places, covered: list[float], *, is_sum: bool) -> Column:
    """Wider buckets of equally many narrow ones, of which there are usually long runs, are made together."""
    low, mean, high, seconds = column
    is_plain = low is mean is high
    made = Column([], [], [], [])
    for size, run in groupby(places, key=lambda place: place[1] - place[0]):
        bounds = [*run]
        first, last = bounds[0][0], bounds[-1][1]
        part = Column(low[first:last], mean[first:last], high[first:last], seconds[first:last])
        if is_plain:
            part = Column(part.mean, part.mean, part.mean, part.seconds)
        wider = _one_by_one if None in part.mean else _together
        for whole, more in zip(made, wider(part, size, is_sum=is_sum), strict=True):
            whole += more  # type: ignore[operator]
    return Column(made.low, made.mean, made.high, covered if made.seconds == covered else made.seconds)


def _together(known: Column, size: int, *, is_sum: bool) -> Column:
    """Each `size` buckets become one. All values are known, so that built-in functions can do it column by column."""
    if size == 1:
        return known
    values = cast("list[float]", known.mean)
    time = _sums(known.seconds, size)
    if is_sum:
        total = cast("Values", _sums(values, size))
        return Column(total, total, total, time)
    lowest = [*map(min, *_strides(cast("list[float]", known.low), size))]
    highest = [*map(max, *_strides(cast("list[float]", known.high), size))]
    means = map(truediv, _sums([*map(mul, values, known.seconds)], size), time)
    # Rounding must not take the mean beyond the values.
    between = [*map(min, map(max, means, lowest), highest)]
    return Column(cast("Values", lowest), cast("Values", between), cast("Values", highest), time)


def _sums(values: list[float], size: int) -> list[float]:
    return [*map(sum, zip(*_strides(values, size), strict=True))]


def _strides(values: list[float], size: int) -> list[list[float]]:
    """The first of each `size` values, the second of each, and so on."""
    return [values[place::size] for place in range(size)]


def _one_by_one(column: Column, size: int, *, is_sum: bool) -> Column:
    """The same where values are unknown: from those that are known."""
    made = Column([], [], [], [])
    for place in range(0, len(column.mean), size):
        rows = zip(*(values[place : place + size] for values in column), strict=True)
        known = [row for row in rows if row[1] is not None]
        one = (
            _together(Column(*([*each] for each in zip(*known, strict=True))), len(known), is_sum=is_sum)
            if known
            else _UNKNOWN
        )
        for whole, more in zip(made, one, strict=True):
            whole += more  # type: ignore[operator]
    return made
