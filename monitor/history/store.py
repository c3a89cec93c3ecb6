"""The history's rows: reads for the pages, writes for the recorder. All raise Django's database errors."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q

from monitor.history.buckets import Buckets
from monitor.history.chunk_codec import DamagedChunk, pack, unpack
from monitor.history.metrics import GPU_METRICS, HOST_METRICS
from monitor.history.rollup import merged, roll_up
from monitor.history.tiers import TIERS, Tier
from monitor.models import HistoryChunk, HistoryGap, HistorySource

log = logging.getLogger(__name__)

HOST = "host"
"""The key of the host's source. The others are UUIDs of GPUs."""
PARTS = 12
"""Of a chunk: an hour of minutes."""
_EITHER = (True, False)
"""For `is_open`, so that the index is used."""

# ── For the pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def sources() -> list[HistorySource]:
    """The host, then the GPUs by index. A GPU that was replaced stays as long as its history."""
    return sorted(HistorySource.objects.all(), key=lambda row: (row.kind != HOST, row.index or 0, -row.last_at))


def read(source_id: int, tier: Tier, start: float, end: float, names: Collection[str] | None = None) -> Buckets:
    """The stored buckets of one source that start in [start, end), with these metrics or all."""
    rows = HistoryChunk.objects.filter(
        is_open__in=_EITHER,
        tier=tier.number,
        start__gt=start - tier.chunk_seconds,
        start__lt=end,
        end__gt=start,
        source_id=source_id,
    )
    parts = _unpacked(rows.order_by("start").values_list("id", "data"), names).values()
    return merged(parts, tier.bucket_seconds).between(start, end)


def extent(source_id: int, tier: Tier) -> tuple[int, int] | None:
    """Start of the first and end of the last bucket of a tier; None if it has none."""
    rows = HistoryChunk.objects.filter(is_open__in=_EITHER, tier=tier.number, source_id=source_id)
    edges = [
        (first, last)
        for is_open in _EITHER
        for first in rows.filter(is_open=is_open).order_by("start").values_list("start", flat=True)[:1]
        for last in rows.filter(is_open=is_open).order_by("-start").values_list("end", flat=True)[:1]
    ]
    return (min(first for first, _ in edges), max(last for _, last in edges)) if edges else None


def gaps(source_id: int | None, start: float, end: float) -> list[HistoryGap]:
    """The gaps of a source, and of all, that touch [start, end), the earliest first. Without a source: those of all sources."""
    rows = HistoryGap.objects.filter(start__lt=end, end__gt=start).filter(Q(source=None) | Q(source_id=source_id))
    return list(rows.order_by("start"))


def last_moment() -> int | None:
    """When the newest row ended, of a reading or a gap; None in a new history."""
    pieces = HistoryChunk.objects.filter(is_open=True, tier=TIERS[0].number)
    ends = [
        pieces.aggregate(last=Max("end"))["last"],
        HistorySource.objects.aggregate(last=Max("last_at"))["last"],
        HistoryGap.objects.aggregate(last=Max("end"))["last"],
    ]
    return max((end for end in ends if end is not None), default=None)


# ── For the recorder ──────────────────────────────────────────────────────────────────────────────────────────────────────


def find_gap(source: HistorySource | None, start: int, reason: str) -> HistoryGap | None:
    """A gap that is already written, of a source or of all."""
    if source is not None and source.pk is None:
        return None
    return HistoryGap.objects.filter(source=source, start=start, reason=reason).first()


class Written(NamedTuple):
    """The newest buckets of one source."""

    source: HistorySource
    parts: Sequence[Buckets]
    is_changed: bool
    """Whether the source is saved too. A new one always is."""


def write(written: Iterable[Written], gaps: Iterable[HistoryGap]) -> None:
    """Write new buckets, their sources and these gaps, new or changed, in one transaction of few pages: each counts twice on the
    disk, in the write-ahead log and in the file.
    """
    rows: list[HistoryChunk] = []
    with transaction.atomic(using=settings.HISTORY_DATABASE):
        for source, parts, is_changed in written:
            if source.pk is None:
                source.save()
            elif is_changed:
                source.save(update_fields=("index", "name", "last_at", "limits"))
            for part in parts:
                rows += _pieces(source.pk, source.kind, TIERS[0], part)
        HistoryChunk.objects.bulk_create(rows)
        for gap in gaps:
            gap.save()


def close_chunks(before: float) -> None:
    """Replace the pieces of each chunk whose span ended before this time by the whole chunk, and roll it up into the next tier.

    Whatever is interrupted is done the next time: pieces that are still there are not yet in the next tier.
    """
    for tier in TIERS:
        due = _due(tier, before)
        if not due:
            continue
        kinds = dict(HistorySource.objects.values_list("id", "kind"))
        _replace([_closing(source_id, kinds[source_id], tier, chunk) for source_id, chunk in due])
        if tier is not TIERS[-1]:
            _replace(_joined_pieces(kinds, _next(tier), before))


class _Closing(NamedTuple):
    replaced: list[int]
    """Ids of rows."""
    rows: list[HistoryChunk]
    """What takes their place, and the pieces of the next tier."""
    unreadable: Sequence[int] = ()
    """Ids of pieces, damaged or of a later version, which stay as they are."""


def _replace(closings: Sequence[_Closing]) -> None:
    with transaction.atomic(using=settings.HISTORY_DATABASE):
        HistoryChunk.objects.filter(id__in=[id_ for closing in closings for id_ in closing.replaced]).delete()
        # One a statement: SQLite copies the pages that a statement with several rows overwrites to a temporary file.
        HistoryChunk.objects.bulk_create([row for closing in closings for row in closing.rows], batch_size=1)
        unreadable = [id_ for closing in closings for id_ in closing.unreadable]
        HistoryChunk.objects.filter(id__in=unreadable).update(is_open=False)


def _next(tier: Tier) -> Tier:
    return TIERS[TIERS.index(tier) + 1]


def _due(tier: Tier, before: float) -> list[tuple[int, int]]:
    """Source and start of each chunk that has pieces and is over."""
    rows = HistoryChunk.objects.filter(is_open=True, tier=tier.number, start__lt=tier.chunk_of(before))
    return sorted({(source_id, tier.chunk_of(start)) for source_id, start in rows.values_list("source_id", "start")})


def _closing(source_id: int, kind: str, tier: Tier, chunk: int) -> _Closing:
    """A closed chunk may be there too, from before the clock was set back: what is new is added to it."""
    rows = HistoryChunk.objects.filter(
        is_open__in=_EITHER,
        tier=tier.number,
        start__gte=chunk,
        start__lt=chunk + tier.chunk_seconds,
        source_id=source_id,
    )
    found = list(rows.values_list("id", "is_open", "data"))
    pieces = _unpacked((id_, data) for id_, is_open, data in found if is_open)
    old = _unpacked((id_, data) for id_, is_open, data in found if not is_open)
    new = merged(pieces.values(), tier.bucket_seconds)
    made = [*_pieces(source_id, kind, tier, merged([*old.values(), new], tier.bucket_seconds), is_open=False)]
    if tier is not TIERS[-1]:
        wider = _next(tier)
        made += _pieces(source_id, kind, wider, roll_up(new, wider.bucket_seconds))
    return _Closing([*pieces, *old], made, [id_ for id_, is_open, _ in found if is_open and id_ not in pieces])


def _joined_pieces(kinds: dict[int, str], tier: Tier, before: float) -> list[_Closing]:
    """The pieces of each part of a chunk that is over become one: a query would read dozens of small ones."""
    span = tier.chunk_seconds // PARTS
    rows = HistoryChunk.objects.filter(is_open=True, tier=tier.number, start__lt=before // span * span)
    together: dict[tuple[int, int], list[int]] = {}
    for id_, source_id, start in rows.values_list("id", "source_id", "start"):
        together.setdefault((source_id, start // span), []).append(id_)
    joined = []
    for (source_id, _part), ids in together.items():
        if len(ids) > 1:
            found = _unpacked(HistoryChunk.objects.filter(id__in=ids).values_list("id", "data"))
            whole = merged(found.values(), tier.bucket_seconds)
            joined.append(_Closing([*found], [*_pieces(source_id, kinds[source_id], tier, whole)]))
    return joined


def _pieces(source_id: int, kind: str, tier: Tier, buckets: Buckets, *, is_open: bool = True) -> Iterator[HistoryChunk]:
    """A row for each chunk that the buckets touch."""
    metrics = HOST_METRICS if kind == HOST else GPU_METRICS
    first = 0
    while first < len(buckets.starts):
        last = bisect_left(buckets.starts, tier.chunk_of(buckets.starts[first]) + tier.chunk_seconds)
        part = buckets.slice(first, last)
        yield HistoryChunk(
            source_id=source_id,
            tier=tier.number,
            start=part.starts[0],
            end=part.starts[-1] + tier.bucket_seconds,
            is_open=is_open,
            data=pack(part, metrics),
        )
        first = last


def _unpacked(
    rows: Iterable[tuple[int, bytes | memoryview[int]]], names: Collection[str] | None = None
) -> dict[int, Buckets]:
    """By id, without those that are damaged or of a later version."""
    found = {}
    for id_, data in rows:
        try:
            found[id_] = unpack(bytes(data), names)
        except DamagedChunk as error:
            log.error("a chunk of the history is left out (row %d): %s", id_, error)
    return found
