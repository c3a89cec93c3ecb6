"""The stored buckets of a source over a span: of one tier, and of finer ones what is not yet rolled up into it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any, NamedTuple

from django.db.models import QuerySet

from monitor.history.buckets import Buckets
from monitor.history.chunk_codec import DamagedChunk, unpack
from monitor.history.tiers import TIERS, Tier
from monitor.models import HistoryChunk

log = logging.getLogger(__name__)


class Stored(NamedTuple):
    """Buckets that touch a span. No second is in two of them."""

    parts: list[Buckets]
    """Of different widths, in no order: `rollup.merged` makes them one."""
    first: int | None
    """The start of the first row; None if there is no row."""
    first_at: int | None
    """When the source was first seen; None if there is no row."""
    last_at: int
    """The end of the newest bucket that was written of the source, of whatever span; 0 if there is no row."""


def stored_buckets(source_key: str, tier: Tier, start: float, end: float, names: Collection[str]) -> Stored:
    """Read the buckets that touch [start, end), with these metrics. A damaged chunk is left out and logged.

    Open pieces of a finer tier are what the tier does not have yet. All rows come by one statement: the recorder may replace
    them at any moment.
    """
    finer = [each for each in TIERS if each.number < tier.number]
    rows = _rows(source_key, tier, start, end)
    if finer:
        rows = rows.union(*[_rows(source_key, each, start, end, only_open=True) for each in finer], all=True)
    found = [*rows]
    parts = []
    for row in found:
        try:
            parts.append(unpack(bytes(row.data), names))
        except DamagedChunk as error:
            log.error("a chunk of the history is left out (row %d): %s", row.id, error)
    if not found:
        return Stored(parts, None, None, 0)
    return Stored(parts, min(row.start for row in found), found[0].source__first_at, found[0].source__last_at)


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
    reached = max(start, min(firsts.values()))
    order = [*TIERS[TIERS.index(wanted) :], *reversed(TIERS[: TIERS.index(wanted)])]
    return next(tier for tier in order if tier in firsts and firsts[tier] < reached + tier.bucket_seconds)


def _rows(
    source_key: str, tier: Tier, start: float, end: float, *, only_open: bool = False
) -> QuerySet[HistoryChunk, Any]:
    rows = HistoryChunk.objects.filter(
        source__key=source_key, tier=tier.number, start__gt=start - tier.chunk_seconds, start__lt=end, end__gt=start
    )
    if only_open:
        rows = rows.filter(is_open=True)
    return rows.values_list("id", "start", "data", "source__first_at", "source__last_at", named=True)
