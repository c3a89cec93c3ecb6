"""Buckets of one width become wider ones, so that a peak of one second is seen in every range."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from operator import add, mul, truediv
from typing import NamedTuple, cast

from monitor.history.buckets import Buckets, Column, Values, joined
from monitor.history.metrics import SUMS


class _Run(NamedTuple):
    """Wider buckets in a row of equally many narrow ones: usually nearly all."""

    first: int
    """Place of the first narrow bucket, and after the last one."""
    last: int
    size: int
    """Narrow buckets in each."""
    seconds: list[float]
    """What each wider bucket covers."""
    is_even: bool
    """All narrow buckets cover the same time."""


_FEW = 15
"""Values in a group that are collected place by place."""
_UNKNOWN = Column([None], [None], [None], [0.0])


def roll_up(buckets: Buckets, bucket_seconds: int) -> Buckets:
    """The lowest, the mean weighted by time, and the highest value of each wider bucket, with the time that it covers.

    What begins or ends within a bucket is kept as a bucket that covers less. Buckets that were rolled up in parts become one
    again when `merged`. The last bits of a mean can be beyond the extremes: round it to store or show it.
    """
    keys = [start // bucket_seconds for start in buckets.starts]
    edges = [0, *[place for place, (before, after) in enumerate(pairwise(keys), 1) if before != after], len(keys)]
    if len(edges) > len(keys):
        return Buckets([key * bucket_seconds for key in keys], buckets.seconds, buckets.columns)
    runs = []
    for size, run in groupby(pairwise(edges), key=lambda edge: edge[1] - edge[0]):
        bounds = [*run]
        runs.append(_run(buckets.seconds, bounds[0][0], bounds[-1][1], size))
    columns = {
        name: _rolled_up(column, buckets.seconds, runs, is_sum=name in SUMS) for name, column in buckets.columns.items()
    }
    seconds = [each for run in runs for each in run.seconds]
    columns = {
        name: column._replace(seconds=seconds) if column.seconds == seconds else column
        for name, column in columns.items()
    }
    return Buckets([keys[place] * bucket_seconds for place in edges[:-1]], seconds, columns)


def merged(parts: Iterable[Buckets], bucket_seconds: int) -> Buckets:
    """Parts of any order and overlap as one: buckets with the same start become one."""
    filled = sorted((part for part in parts if part.starts), key=lambda part: part.starts[0])
    together = joined(filled)
    if any(later.starts[0] < earlier.starts[-1] for earlier, later in pairwise(filled)):
        together = together.at(sorted(range(len(together.starts)), key=together.starts.__getitem__))
    return roll_up(together, bucket_seconds)


def _run(seconds: list[float], first: int, last: int, size: int) -> _Run:
    part = seconds[first:last]
    return _Run(first, last, size, _sums(part, size), min(part) == max(part))


def _rolled_up(column: Column, of_all: list[float], runs: list[_Run], *, is_sum: bool) -> Column:
    """`of_all`: the seconds of the buckets. Where they are the column's too, they have been added up already."""
    low, mean, high, seconds = column
    made = Column([], [], [], [])
    for run in runs:
        first, last, size = run[:3]
        middle, known = mean[first:last], seconds[first:last]
        least, most = (middle if each is mean else each[first:last] for each in (low, high))
        part = Column(least, middle, most, known)
        if None in middle:
            wider = _one_by_one(part, size, is_sum=is_sum)
        else:
            wider = _together(part, run if seconds is of_all else _run(known, 0, last - first, size), is_sum=is_sum)
        for whole, more in zip(made, wider, strict=True):
            whole += more  # type: ignore[operator]
    return made


def _together(known: Column, run: _Run, *, is_sum: bool) -> Column:
    """All values are known, so that built-in functions can do it column by column."""
    if run.size == 1:
        return known
    values, size = cast("list[float]", known.mean), run.size
    if is_sum:
        total = cast("Values", _sums(values, size))
        return Column(total, total, total, run.seconds)
    low, high = cast("list[float]", known.low), cast("list[float]", known.high)
    if low is values is high and values.count(values[0]) == len(values):
        same = cast("Values", values[::size])
        return Column(same, same, same, run.seconds)
    if size == 2:  # as often as not, and then min and max take three times as long
        lowest = [one if one <= other else other for one, other in zip(low[::2], low[1::2], strict=True)]  # noqa: FURB136
        highest = [one if one >= other else other for one, other in zip(high[::2], high[1::2], strict=True)]  # noqa: FURB136
    else:
        lowest = [*map(min, _groups(low, size))]
        highest = [*map(max, _groups(high, size))]
    if run.is_even:
        means = [total / size for total in _sums(values, size)]
    else:
        means = [*map(truediv, _sums([*map(mul, values, known.seconds)], size), run.seconds)]
    return Column(cast("Values", lowest), cast("Values", means), cast("Values", highest), run.seconds)


def _sums(values: list[float], size: int) -> list[float]:
    if size == 1:
        return values
    if size == 2:
        return [*map(add, values[::2], values[1::2])]
    return [*map(sum, _groups(values, size))]


def _groups(values: list[float], size: int) -> Iterable[Sequence[float]]:
    """The first `size` values, the next, and so on: made in the quicker way."""
    if size > _FEW:
        return [values[place : place + size] for place in range(0, len(values), size)]
    return zip(*[values[place::size] for place in range(size)], strict=True)


def _one_by_one(column: Column, size: int, *, is_sum: bool) -> Column:
    """Where values are unknown: each wider bucket from those that are known."""
    made = Column([], [], [], [])
    for place in range(0, len(column.mean), size):
        rows = zip(*(values[place : place + size] for values in column), strict=True)
        known = [row for row in rows if row[1] is not None]
        one = _UNKNOWN
        if known:
            part = Column(*([*each] for each in zip(*known, strict=True)))
            one = _together(part, _run(part.seconds, 0, len(known), len(known)), is_sum=is_sum)
        for whole, more in zip(made, one, strict=True):
            whole += more  # type: ignore[operator]
    return made
