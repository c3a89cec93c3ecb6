"""Stored metrics over a span, as columns that charts use directly. Blocks: call it in a thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, count
from typing import NamedTuple, TypeVar

import msgspec

from monitor.history.buckets import Buckets, Column, Values, empty
from monitor.history.chunk_codec import Steps, in_units, pack, steps_of, unpack
from monitor.history.database import history_connection
from monitor.history.gaps import NO_CONNECTION, NOT_RECORDED, REASONS
from monitor.history.metrics import Metric, metric_of
from monitor.history.rollup import merged
from monitor.history.store import OWN
from monitor.history.stored_buckets import reaching_tier, stored_buckets
from monitor.history.tiers import TIERS

Newest = Callable[[str, Collection[str], str], Buckets]
"""The recorder's `open_buckets`: seconds of a source that are not in the database yet."""

T = TypeVar("T")

_DAY = 86_400
WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200)
"""Of the buckets of an answer, below a day: from a minute on whole minutes, from a quarter of an hour on whole quarters."""
_LEAST_HOLE_SECONDS = 3
"""What is shorter is none: a reading can fall into the next second or the one before."""
_UNWRITTEN_SECONDS = 180
"""At the end of a span, what is missing can be not yet written for so long."""

_GAPS = """
    SELECT gap.start, gap."end", gap.reason, gap.text
    FROM monitor_historygap AS gap LEFT JOIN monitor_historysource AS source ON source.id = gap.source_id
    WHERE gap.host_id = %s AND (gap.source_id IS NULL OR source.key = %s) AND gap.start < %s AND gap."end" > %s"""


class Gap(msgspec.Struct, frozen=True):
    """A span without readings, in Unix seconds."""

    start: int
    end: int
    reason: str
    """A key of `gaps.REASONS`."""
    text: str
    """The reason in words."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one source as columns, bucket by bucket."""

    source: str
    metric: str
    unit: str
    tier: str
    """The stored buckets that it was made of: seconds, minutes or quarter-hours."""
    bucket_seconds: int
    start: int
    """Of the first bucket that touches the span. All are aligned to Unix time: they stay the same when the span moves."""
    end: int
    time: list[int]
    """The start of each bucket. One without values stands at the start of each gap, so that no line crosses it."""
    low: Values
    mean: Values
    """Weighted by time; of an amount (energy) the sum, as are low and high."""
    high: Values
    seconds: list[float]
    """How long the value was known. It can exceed the width by less than the time between two readings."""
    gaps: list[Gap]
    is_thinned: bool
    """A bucket can stand for several readings, so low and high can differ from the mean."""


class _Shape(NamedTuple):
    """What all metrics of an answer have in common."""

    source: str
    tier: str
    width: int
    start: int
    end: int
    gaps: list[Gap]
    breaks: list[tuple[int, int]]
    """Where a line is interrupted: the place of the next bucket, and the time."""
    seconds: list[float]
    """Of the buckets, rounded: those of most metrics."""


def history(
    source_key: str,
    metrics: Sequence[str],
    start: float,
    end: float,
    points: int,
    *,
    newest: Newest | None = None,
    host_id: str = OWN,
) -> list[Answer]:
    """The metrics of a GPU (by UUID) or of `host` itself over [start, end) in at most `points` buckets, one answer for each metric.

    The buckets are made of the coarsest tier that is fine enough or, if that no longer reaches back to the start, of one that
    does, with fewer points. Lowest and highest value of a span are those of its readings, whatever the tier.

    Raises KeyError for a metric that is not stored, ValueError for an empty span, and Django's database errors.
    """
    if not start < end or points < 1:
        raise ValueError("the span is empty")
    chosen = [metric_of(name) for name in metrics]
    # Asked for before the database is read: what is written in between is then in both, and not in neither.
    steps = steps_of(chosen)
    waiting = empty() if newest is None else _as_stored(newest(source_key, metrics, host_id), steps)
    width = width_for(start, end, points)
    tier = next(tier for tier in reversed(TIERS) if tier.bucket_seconds <= width)
    first, last = _aligned(start, end, width)
    stored = stored_buckets(host_id, source_key, tier, first, last, metrics, steps=steps)
    if stored.first is None or stored.first > first + width:
        reaching = reaching_tier(tier, start)
        if reaching is not tier:
            tier, width = reaching, max(width, reaching.bucket_seconds)
            first, last = _aligned(start, end, width)
            stored = stored_buckets(host_id, source_key, tier, first, last, metrics, steps=steps)
    parts = [*stored.parts, waiting.between(stored.until, math.inf)]
    buckets = in_units(merged(parts, width).between(first, last), steps)
    holes = _holes(buckets, width)
    since = first if stored.first_at is None else max(first, stored.first_at)
    gaps = _gaps(host_id, source_key, first, last, [*_edges(buckets, width, since, last), *holes.values()])
    breaks = [(place, hole[0]) for place, hole in holes.items()]
    shape = _Shape(source_key, tier.name, width, first, last, gaps, breaks, _tenths(buckets.seconds))
    return [_answer(metric, buckets, shape) for metric in chosen]


def width_for(start: float, end: float, points: int) -> int:
    """The least width of which at most `points` buckets touch [start, end)."""
    for width in chain(WIDTHS, count(_DAY, _DAY)):
        first, last = _aligned(start, end, width)
        if (last - first) // width <= points:
            break
    return width


def _aligned(start: float, end: float, width: int) -> tuple[int, int]:
    return math.floor(start / width) * width, math.ceil(end / width) * width


# ── Gaps ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

_Span = tuple[int, int]


def _holes(buckets: Buckets, width: int) -> dict[int, _Span]:
    """The spans between two buckets that neither covers, by the place of the second one."""
    least = max(width, _LEAST_HOLE_SECONDS)
    starts, seconds = buckets.starts, buckets.seconds
    return {
        place: (starts[place - 1] + width, starts[place])
        for place in range(1, len(starts))
        if starts[place] - starts[place - 1] > width
        and starts[place] - starts[place - 1] - max(width, seconds[place]) >= least
    }


def _edges(buckets: Buckets, width: int, first: int, last: int) -> Iterator[_Span]:
    """What is missing at the start and at the end."""
    if not buckets.starts:
        return
    if buckets.starts[0] - first > max(width, _LEAST_HOLE_SECONDS):
        yield first, buckets.starts[0]
    end = buckets.starts[-1] + width
    if last - end > max(width, _UNWRITTEN_SECONDS):
        yield end, last


def _gaps(host_id: str, source_key: str, first: int, last: int, holes: list[_Span]) -> list[Gap]:
    """The gaps of the span with their reasons; a hole of which none is known was not recorded.

    Another host from which nothing has come up to the end has no connection: that is written down when it has returned.
    """
    with history_connection().cursor() as cursor:
        cursor.execute(_GAPS, [host_id, source_key, last, first])
        rows: list[tuple[int, int, str, str]] = cursor.fetchall()
    gaps = [
        Gap(max(start, first), min(end, last), reason, text or REASONS.get(reason, reason))
        for start, end, reason, text in rows
    ]
    unknown = [
        Gap(start, end, reason, REASONS[reason])
        for start, end in holes
        for reason in [NO_CONNECTION if host_id != OWN and end == last else NOT_RECORDED]
        if not any(gap.start < end and start < gap.end for gap in gaps)
    ]
    return sorted([*gaps, *unknown], key=lambda gap: (gap.start, gap.end))


# ── Columns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _answer(metric: Metric, buckets: Buckets, shape: _Shape) -> Answer:
    count = len(buckets.starts)
    unknown: Values = [None] * count
    low, mean, high, seconds = buckets.columns.get(metric.name) or Column(unknown, unknown, unknown, [0.0] * count)
    nothing = [None] * len(shape.breaks)
    middle = _with_breaks(mean if low is mean else _rounded(mean, metric), shape, nothing)
    return Answer(
        source=shape.source,
        metric=metric.name,
        unit=metric.unit,
        tier=shape.tier,
        bucket_seconds=shape.width,
        start=shape.start,
        end=shape.end,
        time=_with_breaks(buckets.starts, shape, [at for _place, at in shape.breaks]),
        low=middle if low is mean else _with_breaks(low, shape, nothing),
        mean=middle,
        high=middle if high is mean else _with_breaks(high, shape, nothing),
        seconds=_with_breaks(
            shape.seconds if seconds is buckets.seconds else _tenths(seconds), shape, [0.0] * len(nothing)
        ),
        gaps=shape.gaps,
        is_thinned=shape.width > 1,
    )


def _tenths(seconds: list[float]) -> list[float]:
    return [round(each, 1) for each in seconds]


def _as_stored(buckets: Buckets, steps: Steps) -> Buckets:
    """Rounded as if they were stored."""
    return unpack(pack(buckets, map(metric_of, buckets.columns)), steps=steps) if buckets.starts else buckets


def _rounded(values: Values, metric: Metric) -> Values:
    """To a tenth of the step in which the metric is kept: of means, the rest is noise."""
    per_unit = 10 ** max(
        0, math.ceil(math.log10(metric.scale)) + 1
    )  # a fourth of the time that `round` takes with digits
    return [None if value is None else round(value * per_unit) / per_unit for value in values]


def _with_breaks(values: list[T], shape: _Shape, between: Sequence[T]) -> list[T]:
    """With one more at each break."""
    if not shape.breaks:
        return values
    made: list[T] = []
    place = 0
    for (following, _at), each in zip(shape.breaks, between, strict=True):
        made += values[place:following]
        made.append(each)
        place = following
    return made + values[place:]
