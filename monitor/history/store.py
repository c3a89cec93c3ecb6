"""The history's rows: reads for the pages, writes for the recorder. All raise Django's database errors."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q, QuerySet

from monitor.history.buckets import Buckets
from monitor.history.chunk_codec import DamagedChunk, Steps, pack, steps_of, unpack
from monitor.history.gaps import Gap, without
from monitor.history.metrics import GPU_METRICS, HOST_METRICS
from monitor.history.rollup import merged, roll_up
from monitor.history.tiers import TIERS, Tier
from monitor.models import FleetHost, HistoryChunk, HistoryGap, HistorySource
from monitor.shards import EVERY_HOST, Shard

log = logging.getLogger(__name__)

HOST = "host"
"""The key of a host's own source. The others are UUIDs of GPUs."""
OWN = ""
"""The host id of this server's own host."""
PARTS = 12
"""Of a chunk: an hour of minutes."""
CLOSED_AT_ONCE = 16
"""Chunks that are closed in one transaction, of one span: less than 0.1 s of work."""
_SOURCE_FIELDS = ("host", "index", "name", "first_at", "last_at", "limits")
"""Of a HistorySource: those that change."""
_METRICS = {HOST: HOST_METRICS, "gpu": GPU_METRICS}
"""By the kind of source."""
_STEPS = {kind: steps_of(metrics) for kind, metrics in _METRICS.items()}
_REACH_SECONDS = 60
"""For how long before it a reading can stand."""
_EITHER = (True, False)
"""For `is_open`, so that the index is used."""

# ── For the pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def sources(host_id: str = OWN) -> list[HistorySource]:
    """A host, then its GPUs by index. A GPU that was replaced stays as long as its history."""
    rows = HistorySource.objects.filter(host_id=host_id)
    return sorted(rows, key=lambda row: (row.kind != HOST, row.index or 0, -row.last_at))


def hosts() -> dict[str, str]:
    """The names of the hosts with history, also of those that were deleted, by host id."""
    rows = dict(HistorySource.objects.order_by("last_at").values_list("host_id", "host"))
    names = {**rows, **dict(FleetHost.objects.filter(host_id__in=rows).values_list("host_id", "name"))}
    return dict(sorted(names.items(), key=lambda each: (each[0] != OWN, each[1])))


def _chunks(tier: Tier, start: float, end: float) -> QuerySet[HistoryChunk]:
    """Those of any source that may have buckets in [start, end)."""
    return HistoryChunk.objects.filter(
        is_open__in=_EITHER, tier=tier.number, start__gt=start - tier.chunk_seconds, start__lt=end, end__gt=start
    )


def read(source_id: int, tier: Tier, start: float, end: float, names: Collection[str] | None = None) -> Buckets:
    """The stored buckets of one source that start in [start, end), with these metrics or all."""
    rows = _chunks(tier, start, end).filter(source_id=source_id)
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


def gaps(source: HistorySource, start: float, end: float) -> list[HistoryGap]:
    """The gaps of a source, and of all of its host, that touch [start, end), the earliest first."""
    rows = HistoryGap.objects.filter(host_id=source.host_id, start__lt=end, end__gt=start)
    return list(rows.filter(Q(source=None) | Q(source=source)).order_by("start"))


def last_moment(host_id: str | None = None, *, shard: Shard = EVERY_HOST) -> int | None:
    """When the newest row of this host or of these ended, of a reading or a gap; None if there is none."""
    of_sources = shard.lookups("host_id") if host_id is None else {"host_id": host_id}
    saved = HistorySource.objects.filter(**of_sources).aggregate(last=Max("last_at"))["last"]
    ends = [saved, HistoryGap.objects.filter(**of_sources).aggregate(last=Max("end"))["last"]]
    if saved is not None:
        seconds = TIERS[0]
        since = seconds.chunk_of(
            saved
        )  # what was saved of the sources is up to ten minutes older than their last pieces
        rows = HistoryChunk.objects.filter(
            tier=seconds.number, start__gte=since, start__lt=since + 3 * seconds.chunk_seconds
        )
        rows = rows.filter(**{f"source__{field}": value for field, value in of_sources.items()})
        ends.append(rows.aggregate(last=Max("end"))["last"])
    return max((end for end in ends if end is not None), default=None)


# ── For the recorder ──────────────────────────────────────────────────────────────────────────────────────────────────────


def find_gap(host_id: str, source: HistorySource | None, start: int, reason: str) -> HistoryGap | None:
    """A gap that is already written, of a source or of all."""
    if source is not None and source.pk is None:
        return None
    return HistoryGap.objects.filter(host_id=host_id, source=source, start=start, reason=reason).first()


def stored_seconds(source_ids: Collection[int], start: float, end: float) -> dict[int, set[int]]:
    """The seconds in [start, end) that are stored, by source."""
    tier = TIERS[0]
    end += _REACH_SECONDS
    rows = _chunks(tier, start, end).filter(source_id__in=source_ids)
    chunks = [*rows.values_list("id", "source_id", "data")]
    owners = {id_: source_id for id_, source_id, _data in chunks}
    found: dict[int, set[int]] = {}
    for id_, buckets in _unpacked(((id_, data) for id_, _source_id, data in chunks), ()).items():
        found.setdefault(owners[id_], set()).update(buckets.covered)
    return found


class Written(NamedTuple):
    """The newest buckets of one source."""

    source: HistorySource
    parts: Sequence[Buckets]
    is_changed: bool
    """Whether the source is saved too. A new one always is."""


class Filled(NamedTuple):
    """Spans of which late readings of a host have come."""

    host_id: str
    spans: Sequence[tuple[float, float]]


def write(written: Sequence[Written], gaps: Iterable[HistoryGap], filled: Iterable[Filled] = ()) -> None:
    """Write new buckets, their sources and these gaps, new or changed, in one transaction of few pages: each counts twice on the
    disk, in the write-ahead log and in the file.
    """
    packed = [
        [row for part in each.parts for row in _pieces(each.source.pk or 0, each.source.kind, TIERS[0], part)]
        for each in written
    ]
    # Of readings in time and late ones there can be both; PostgreSQL changes no row twice in one statement.
    changed = {each.source.pk: each.source for each in written if each.is_changed and each.source.pk is not None}
    with transaction.atomic(using=settings.HISTORY_DATABASE):
        HistorySource.objects.bulk_create(
            changed.values(), update_conflicts=True, unique_fields=("id",), update_fields=_SOURCE_FIELDS
        )
        for (source, _parts, _is_changed), rows in zip(written, packed, strict=True):
            if source.pk is None:
                source.save()
            for row in rows:
                row.source = source
        HistoryChunk.objects.bulk_create([row for rows in packed for row in rows])
        for gap in gaps:
            gap.save()
        for each in filled:
            _shorten_gaps(each)


def _shorten_gaps(filled: Filled) -> None:
    """Of all sources of a host: of a single one, the late snapshots say again what is missing."""
    start, end = filled.spans[0][0], max(until for _since, until in filled.spans)
    for row in HistoryGap.objects.filter(host_id=filled.host_id, source=None, start__lt=end, end__gt=start):
        whole = Gap(row.start, row.end, row.reason, row.text)
        rest = [*without(whole, filled.spans)]
        if rest == [whole]:
            continue
        row.delete()
        HistoryGap.objects.bulk_create(HistoryGap(host_id=filled.host_id, **gap._asdict()) for gap in rest)


def close_chunks(before: float, shard: Shard = EVERY_HOST) -> Iterator[None]:
    """Replace the pieces of each chunk of these hosts whose span ended before this time by the whole chunk, and roll it up into the
    next tier; at each `next` some of them, in one transaction.

    Whatever is interrupted is done the next time: pieces that are still there are not yet in the next tier.
    """
    for tier in TIERS:
        due = _pieces_before(tier, tier.chunk_of(before), tier.chunk_seconds, shard)
        if not due:
            continue
        kinds = dict(HistorySource.objects.values_list("id", "kind"))
        for part in _parts(sorted(due)):
            _replace(_closings(tier, part, due, kinds))
            yield
        if tier is not TIERS[-1]:
            for _step in _join_pieces(kinds, _next(tier), before, shard):
                yield


class _Closing(NamedTuple):
    replaced: list[int]
    """Ids of rows."""
    rows: list[HistoryChunk]
    """What takes their place, and the pieces of the next tier."""
    unreadable: Sequence[int] = ()
    """Ids of pieces, damaged or of a later version, which stay as they are."""


_Bytes = bytes | memoryview
"""As SQLite or PostgreSQL gives them."""
_Span = tuple[int, int]
"""Its start, and the id of a source."""


def _replace(closings: Sequence[_Closing]) -> None:
    with transaction.atomic(using=settings.HISTORY_DATABASE):
        HistoryChunk.objects.filter(id__in=[id_ for closing in closings for id_ in closing.replaced]).delete()
        # One a statement: SQLite copies the pages that a statement with several rows overwrites to a temporary file.
        HistoryChunk.objects.bulk_create([row for closing in closings for row in closing.rows], batch_size=1)
        unreadable = [id_ for closing in closings for id_ in closing.unreadable]
        HistoryChunk.objects.filter(id__in=unreadable).update(is_open=False)


def _next(tier: Tier) -> Tier:
    return TIERS[TIERS.index(tier) + 1]


def _pieces_before(tier: Tier, end: float, seconds: int, shard: Shard) -> dict[_Span, list[int]]:
    """The ids of the pieces of these hosts that start before this time, by spans of so many seconds."""
    rows = HistoryChunk.objects.filter(is_open=True, tier=tier.number, start__lt=end)
    rows = rows.filter(**shard.lookups("source__host_id"))
    found: dict[_Span, list[int]] = {}
    for id_, source_id, start in rows.values_list("id", "source_id", "start"):
        found.setdefault((start // seconds * seconds, source_id), []).append(id_)
    return found


def _parts(spans: Iterable[_Span]) -> Iterator[list[_Span]]:
    """Up to CLOSED_AT_ONCE spans with the same start."""
    for _start, same in groupby(spans, key=itemgetter(0)):
        together = [*same]
        for first in range(0, len(together), CLOSED_AT_ONCE):
            yield together[first : first + CLOSED_AT_ONCE]


def _closings(
    tier: Tier, part: Sequence[_Span], pieces: Mapping[_Span, list[int]], kinds: Mapping[int, str]
) -> list[_Closing]:
    """A closed chunk may be there too, from before the clock was set back or of late readings: what is new is added to it."""
    data = _data_of(HistoryChunk.objects.filter(id__in=[id_ for span in part for id_ in pieces[span]]))
    start = part[0][0]
    closed = HistoryChunk.objects.filter(
        is_open=False,
        tier=tier.number,
        start__gte=start,
        start__lt=start + tier.chunk_seconds,
        source_id__in=[source_id for _start, source_id in part],
    )
    old: dict[int, dict[int, _Bytes]] = {}
    for id_, source_id, packed in closed.values_list("id", "source_id", "data"):
        old.setdefault(source_id, {})[id_] = packed
    return [
        _closing(
            span[1], kinds[span[1]], tier, {id_: data[id_] for id_ in pieces[span] if id_ in data}, old.get(span[1], {})
        )
        for span in part
    ]


def _closing(
    source_id: int, kind: str, tier: Tier, pieces: Mapping[int, _Bytes], old: Mapping[int, _Bytes]
) -> _Closing:
    """All in the metrics' steps: nothing is rounded again, and integers take less time."""
    steps = _STEPS[kind]
    new, before = _unpacked(pieces.items(), steps=steps), _unpacked(old.items(), steps=steps)
    added = merged(new.values(), tier.bucket_seconds)
    whole = merged([*before.values(), added], tier.bucket_seconds) if before else added
    made = [*_pieces(source_id, kind, tier, whole, is_open=False, has_steps=True)]
    if tier is not TIERS[-1]:
        wider = _next(tier)
        made += _pieces(source_id, kind, wider, roll_up(added, wider.bucket_seconds), has_steps=True)
    return _Closing([*new, *before], made, [id_ for id_ in pieces if id_ not in new])


def _data_of(rows: QuerySet[HistoryChunk]) -> dict[int, _Bytes]:
    return dict(rows.values_list("id", "data"))


def _join_pieces(kinds: Mapping[int, str], tier: Tier, before: float, shard: Shard) -> Iterator[None]:
    """The pieces of each part of a chunk that is over become one: a query would read dozens of small ones."""
    seconds = tier.chunk_seconds // PARTS
    pieces = _pieces_before(tier, before // seconds * seconds, seconds, shard)
    for part in _parts(sorted(span for span, ids in pieces.items() if len(ids) > 1)):
        data = _data_of(HistoryChunk.objects.filter(id__in=[id_ for span in part for id_ in pieces[span]]))
        joined = []
        for span in part:
            kind = kinds[span[1]]
            found = _unpacked(((id_, data[id_]) for id_ in pieces[span] if id_ in data), steps=_STEPS[kind])
            whole = merged(found.values(), tier.bucket_seconds)
            joined.append(_Closing([*found], [*_pieces(span[1], kind, tier, whole, has_steps=True)]))
        _replace(joined)
        yield


def _pieces(
    source_id: int, kind: str, tier: Tier, buckets: Buckets, *, is_open: bool = True, has_steps: bool = False
) -> Iterator[HistoryChunk]:
    """A row for each chunk that the buckets touch."""
    metrics = _METRICS[kind]
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
            data=pack(part, metrics, has_steps=has_steps, is_brief=is_open),
        )
        first = last


def _unpacked(
    rows: Iterable[tuple[int, _Bytes]],
    names: Collection[str] | None = None,
    *,
    steps: Steps | None = None,
) -> dict[int, Buckets]:
    """By id, without those that are damaged or of a later version."""
    found = {}
    for id_, data in rows:
        try:
            found[id_] = unpack(bytes(data), names, steps=steps)
        except DamagedChunk as error:
            log.error("a chunk of the history is left out (row %d): %s", id_, error)
    return found
