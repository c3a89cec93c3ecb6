"""Deletes what is too old, or more than the history may hold, in steps so small that no other writer waits for long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.db.models import QuerySet, Sum
from django.db.models.functions import Length

from monitor.history.database import history_connection
from monitor.history.tiers import TIERS, Tier
from monitor.models import HistoryChunk, HistoryGap, HistorySource

ROWS = 64
"""Deleted in one transaction: about 0.5 MB."""
PAGES = 128
"""Given back to the disk in one step."""
_LEAST_FREE_PAGES = 256
"""Free pages that a file keeps in any case: the next writes use them."""
_MOST_FREE = 0.1
"""Share of the file's pages that may be free."""
_DAY = 86_400.0


class Retention(NamedTuple):
    """What the settings allow."""

    days: tuple[float, ...]
    """For each tier, from fine to coarse."""
    most_bytes: int


def prune(now: float, retention: Retention) -> Iterator[None]:
    """One small step at each `next`. Raises Django's database errors."""
    oldest = {tier: now - days * _DAY for tier, days in zip(TIERS, retention.days, strict=True)}
    for tier, before in oldest.items():
        while _delete_chunks(tier, before, (True, False)):
            yield
    horizon = min(oldest.values())
    HistoryGap.objects.filter(end__lt=horizon).delete()
    HistorySource.objects.filter(last_at__lt=horizon, historychunk=None).delete()
    yield
    used = used_bytes()
    while used > retention.most_bytes and (tier_to_cut := _fullest(now, retention.days)) is not None:
        used -= _delete_chunks(tier_to_cut, now, (False,))
        yield
    while _shrink():
        yield


def used_bytes() -> int:
    """What the chunks take. The file can be larger: the usage ledger is in it too, and must not cost the history its place."""
    return _bytes_of(HistoryChunk.objects.all())


def _bytes_of(rows: QuerySet[HistoryChunk]) -> int:
    return rows.aggregate(total=Sum(Length("data")))["total"] or 0


def _delete_chunks(tier: Tier, before: float, is_open: Sequence[bool]) -> int:
    """Delete the oldest chunks whose span ended before this time; their size in bytes, 0 if there is none."""
    rows = HistoryChunk.objects.filter(is_open__in=is_open, tier=tier.number, start__lt=before - tier.chunk_seconds)
    ids = list(rows.order_by("start").values_list("id", flat=True)[:ROWS])
    oldest = HistoryChunk.objects.filter(id__in=ids)
    size = _bytes_of(oldest)
    oldest.delete()
    return size


def _fullest(now: float, days: Sequence[float]) -> Tier | None:
    """The tier that holds the largest share of its days, so that all tiers give way alike; None if only open chunks are left."""
    shares = []
    for tier, most in zip(TIERS, days, strict=True):
        rows = HistoryChunk.objects.filter(is_open=False, tier=tier.number, start__lt=now - tier.chunk_seconds)
        start = rows.order_by("start").values_list("start", flat=True).first()
        if start is not None:
            shares.append(((now - start) / (most * _DAY), tier))
    return max(shares, default=(0.0, None), key=lambda share: share[0])[1]


def _shrink() -> bool:
    """Give some free pages back to the disk, if there are many; whether there were."""
    database = history_connection()
    if database.vendor != "sqlite":
        return False
    free = _pragma("freelist_count")
    if free <= max(_LEAST_FREE_PAGES, _MOST_FREE * _pragma("page_count")):
        return False
    with database.cursor() as cursor:
        cursor.execute(f"PRAGMA incremental_vacuum({PAGES})")
        cursor.fetchall()
    return _pragma("freelist_count") < free


def _pragma(name: str) -> int:
    with history_connection().cursor() as cursor:
        cursor.execute(f"PRAGMA {name}")
        return int(cursor.fetchone()[0])
