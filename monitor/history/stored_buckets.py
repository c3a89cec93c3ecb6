"""The stored buckets of a source over a span: of one tier, and of finer ones what is not yet rolled up into it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import NamedTuple

from monitor.history.buckets import Buckets
from monitor.history.chunk_codec import DamagedChunk, Steps, unpack
from monitor.history.database import history_connection
from monitor.history.tiers import SECONDS, TIERS, Tier
from monitor.models import HistoryChunk

log = logging.getLogger(__name__)

# In SQL: Django takes as long to make this statement as SQLite to answer it.
_SELECT = """
    SELECT chunk.id, chunk.tier, chunk.start, chunk."end", chunk.data, source.first_at
    FROM monitor_historychunk AS chunk JOIN monitor_historysource AS source ON source.id = chunk.source_id
    WHERE source.host_id = %s AND source.key = %s
        AND chunk.tier = %s AND chunk.start > %s AND chunk.start < %s AND chunk."end" > %s"""
_OPEN = " AND chunk.is_open"


class Stored(NamedTuple):
    """Buckets that touch a span. No second is in two of them."""

    parts: list[Buckets]
    """Of different widths, in no order: `rollup.merged` makes them one."""
    first: int | None
    """The start of the first row; None if there is no row."""
    first_at: int | None
    """When the source was first seen; None if there is no row."""
    until: int
    """The end of the last reading among them, or a time before it until which nothing waits to be written."""


def stored_buckets(
    host_id: str,
    source_key: str,
    tier: Tier,
    start: float,
    end: float,
    names: Collection[str],
    *,
    steps: Steps | None = None,
) -> Stored:
    """Read the buckets that touch [start, end), with these metrics. A damaged chunk is left out and logged.

    Open pieces of a finer tier are what the tier does not have yet. All rows come by one statement: the recorder may replace
    them at any moment.
    """
    selects = [_SELECT]
    values: list[str | float] = [host_id, source_key, tier.number, start - tier.chunk_seconds, end, start]
    for each in TIERS[: TIERS.index(tier)]:
        selects.append(_SELECT + _OPEN)
        values += [host_id, source_key, each.number, start - each.chunk_seconds, end, start]
    with history_connection().cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), values)
        rows = [*map(_Row._make, cursor.fetchall())]
    parts = []
    for row in rows:
        try:
            width = next(each.bucket_seconds for each in TIERS if each.number == row.tier)
            parts.append(unpack(bytes(row.data), names, start=start // width * width, end=end, steps=steps))
        except DamagedChunk as error:
            log.error("a chunk of the history is left out (row %d): %s", row.id, error)
    if not rows:
        return Stored(parts, None, None, 0)
    return Stored(parts, min(row.start for row in rows), rows[0].first_at, max(map(_until, rows)))


class _Row(NamedTuple):
    """A row of _SELECT."""

    id: int
    tier: int
    start: int
    end: int
    data: bytes | memoryview
    first_at: int


def _until(row: _Row) -> int:
    """Of a coarser tier: the end of the finer chunk that its last bucket was made of, which was written as a whole."""
    if row.tier == SECONDS.number:
        return row.end
    finer = next(tier for tier in reversed(TIERS) if tier.number < row.tier)
    return finer.chunk_of(row.end - 1) + finer.chunk_seconds


def reaching_tier(wanted: Tier, start: float) -> Tier:
    """This tier if it holds what was at `start`; else the finest coarser one that does, or else the one that goes back furthest.

    Finer tiers come last: they are read only if all that is kept of that time is in them.
    """
    firsts = {}
    first = None
    for tier in TIERS:
        # A tier that has no row yet will be made of all that is in the finer one.
        first = (
            HistoryChunk.objects.filter(tier=tier.number).order_by("start").values_list("start", flat=True).first()
            or first
        )
        if first is not None:
            firsts[tier] = first
    if not firsts:
        return wanted
    # The first row starts with its bucket, and its first reading may come later.
    reached = max(start, min(first + tier.bucket_seconds for tier, first in firsts.items()))
    order = [*TIERS[TIERS.index(wanted) :], *reversed(TIERS[: TIERS.index(wanted)])]
    return next(tier for tier in order if tier in firsts and firsts[tier] < reached + tier.bucket_seconds)
