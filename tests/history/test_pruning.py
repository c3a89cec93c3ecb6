"""Pruning: what is too old or too much goes in small steps, the finest and the coarsest alike, and the file shrinks."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from monitor.history.database import history_connection
from monitor.history.pruning import ROWS, Retention, prune, used_bytes
from monitor.history.tiers import MINUTES, QUARTERS, SECONDS, TIERS, Tier
from monitor.models import HistoryChunk, HistoryGap, HistorySource
from monitor.models.usage import UsageGpu

NOW = 1_800_000_000
DAY = 86_400
PAGES = ("page_count", "freelist_count", "page_size")
ALL = Retention((7, 90, 1095), 1 << 40)


@pytest.fixture
def source(history: Path) -> HistorySource:
    return HistorySource.objects.create(key="GPU-0", kind="gpu", name="H100", first_at=0, last_at=NOW)


def fill(source: HistorySource, tier: Tier, days: int, *, size: int = 100, each: int | None = None) -> None:
    """Closed chunks up to now."""
    step = each or tier.chunk_seconds
    HistoryChunk.objects.bulk_create(
        HistoryChunk(source=source, tier=tier.number, start=start, end=start + tier.chunk_seconds, data=b"x" * size)
        for start in range(tier.chunk_of(NOW - days * DAY), NOW - tier.chunk_seconds, step)
    )


def oldest_days(tier: Tier) -> float:
    return (NOW - min(HistoryChunk.objects.filter(tier=tier.number).values_list("start", flat=True))) / DAY


def test_each_tier_is_kept_for_its_days(source: HistorySource) -> None:
    fill(source, SECONDS, 9, each=3600)
    fill(source, MINUTES, 100)
    fill(source, QUARTERS, 1200)
    list(prune(NOW, ALL))
    for tier, days in zip(TIERS, ALL.days, strict=True):
        assert days <= oldest_days(tier) <= days + 2 * tier.chunk_seconds / DAY


def test_a_step_deletes_few_rows(source: HistorySource) -> None:
    fill(source, SECONDS, 9)
    steps = prune(NOW, ALL)
    counts = [HistoryChunk.objects.count() for _step in steps]
    assert max(before - after for before, after in pairwise(counts)) <= ROWS


def test_beyond_the_size_every_tier_gives_way_alike(source: HistorySource) -> None:
    fill(source, SECONDS, 7, size=4000)
    fill(source, MINUTES, 90, size=4000)
    before = used_bytes()
    list(prune(NOW, Retention((7, 90, 1095), before // 2)))
    assert before * 0.4 < used_bytes() <= before / 2
    assert oldest_days(SECONDS) / 7 == pytest.approx(oldest_days(MINUTES) / 90, abs=0.2)


def test_usage_in_the_same_file_costs_the_history_nothing(source: HistorySource) -> None:
    fill(source, SECONDS, 7, size=4000)
    most = used_bytes() + 1000
    UsageGpu.objects.bulk_create(
        UsageGpu(uuid=f"GPU-{number}", name="x" * 90, index=0, host="h") for number in range(2000)
    )
    before = HistoryChunk.objects.count()
    list(prune(NOW, Retention((8, 90, 1095), most)))
    assert HistoryChunk.objects.count() == before
    UsageGpu.objects.all().delete()


def test_open_chunks_are_never_deleted_for_their_size(source: HistorySource) -> None:
    HistoryChunk.objects.create(
        source=source, tier=1, start=NOW - 5000, end=NOW - 4000, is_open=True, data=b"x" * 50_000
    )
    list(prune(NOW, Retention((7, 90, 1095), 1)))
    assert HistoryChunk.objects.count() == 1


@pytest.mark.slow
def test_the_file_shrinks_to_little_more_than_what_is_left(source: HistorySource, history: Path) -> None:
    fill(source, SECONDS, 30, size=6000)
    list(prune(NOW, ALL))
    with history_connection().cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, free, page_size = (cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in PAGES)
    assert history.stat().st_size <= 1.3 * (pages - free) * page_size


def test_a_gpu_that_is_gone_is_forgotten_with_its_history(source: HistorySource) -> None:
    old = HistorySource.objects.create(key="GPU-9", kind="gpu", name="K80", first_at=0, last_at=NOW - 1100 * DAY)
    HistoryGap.objects.create(source=old, start=1, end=2, reason="lost")
    HistoryGap.objects.create(start=NOW - 100, end=NOW, reason="not_running")
    list(prune(NOW, ALL))
    assert [row.key for row in HistorySource.objects.all()] == ["GPU-0"]
    assert [row.reason for row in HistoryGap.objects.all()] == ["not_running"]
