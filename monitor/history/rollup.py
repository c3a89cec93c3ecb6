"""Buckets of one width become wider ones, so that a peak of one second is seen in every range."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from operator import mul
from typing import cast

from monitor.history.buckets import Buckets, Column, Values, joined
from monitor.history.metrics import SUMS

Places = list[tuple[int, int]]
"""The first place of each wider bucket among the narrow ones, and the place after its last."""


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
    low, mean, high, seconds = column
    rows = [
        _one(low[first:last], mean[first:last], high[first:last], seconds[first:last], is_sum=is_sum)
        for first, last in places
    ]
    lowest, means, highest, known = ([*each] for each in zip(*rows, strict=True))
    return Column(lowest, means, highest, covered if known == covered else known)


def _one(
    low: Values, mean: Values, high: Values, seconds: list[float], *, is_sum: bool
) -> tuple[float | None, float | None, float | None, float]:
    """One wider bucket, from the narrow ones whose value is known."""
    if None in mean:
        known = [row for row in zip(low, mean, high, seconds, strict=True) if row[1] is not None]
        if not known:
            return None, None, None, 0.0
        low, mean, high, seconds = ([*each] for each in zip(*known, strict=True))
    values, time = cast("list[float]", mean), sum(seconds)
    if is_sum:
        total = sum(values)
        return total, total, total, time
    lowest, highest = min(cast("list[float]", low)), max(cast("list[float]", high))
    # Rounding must not take the mean beyond the values.
    return lowest, min(max(sum(map(mul, values, seconds)) / time, lowest), highest), highest, time
