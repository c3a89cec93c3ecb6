"""A history database as the recorder leaves it, in its own process: `python -m bench.records.stored_history`, in the folder of
GPU_MONITOR_DATA_DIR. It stores a day of noisy readings, fills the database up to three years, prunes it to a third, and prints the
sizes.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "gpumon_site.settings"
django.setup()

from bench.records.noisy_gpu import readings  # noqa: E402
from monitor.history import store  # noqa: E402
from monitor.history.buckets import Buckets  # noqa: E402
from monitor.history.chunk_codec import pack, unpack  # noqa: E402
from monitor.history.database import history_connection, prepare  # noqa: E402
from monitor.history.metrics import GPU_METRICS  # noqa: E402
from monitor.history.pruning import Retention, prune, used_bytes  # noqa: E402
from monitor.history.rollup import merged, roll_up  # noqa: E402
from monitor.history.second_buckets import SecondBuckets  # noqa: E402
from monitor.history.store import Written  # noqa: E402
from monitor.history.tiers import MINUTES, QUARTERS, SECONDS, Tier  # noqa: E402
from monitor.models import HistoryChunk, HistorySource  # noqa: E402

GPUS = 8
_DIFFERENT = 4
"""GPUs with readings of their own, one for each kind of job. The others have the same ones: making readings takes longest."""
DAY = 86_400
NOW = 1_800_014_400 + 9 * 3600
"""9 hours after a chunk of minutes has ended, so that the next one is still in pieces."""
_KEPT_DAYS = {SECONDS: 7, MINUTES: 90, QUARTERS: 3 * 365}
_CUT = Retention((2, 30, 365), 1 << 40)


def store_day(gpus: int = GPUS) -> dict[str, Buckets]:
    """The day before NOW of all GPUs, written and closed as the recorder does. Returns their minutes."""
    sources = [
        HistorySource(
            key=f"GPU-{number}", kind="gpu", index=number, name="H100", first_at=NOW - 1000 * DAY, last_at=NOW
        )
        for number in range(gpus)
    ]
    days = [_parts(number) for number in range(min(gpus, _DIFFERENT))]
    minutes: dict[str, list[Buckets]] = {source.key: [] for source in sources}
    for different in zip(*days, strict=True):
        parts = different * (gpus // len(different))
        store.write([Written(source, [part], is_changed=True) for source, part in zip(sources, parts, strict=True)], [])
        deque(store.close_chunks(parts[0].starts[-1] + 1), maxlen=0)
        for source, part in zip(sources, parts, strict=True):
            minutes[source.key].append(roll_up(part, MINUTES.bucket_seconds))
    return {key: merged(parts, MINUTES.bucket_seconds) for key, parts in minutes.items()}


def _parts(number: int) -> Iterator[Buckets]:
    """Ten minutes each, and the last five minute by minute, which are then still in pieces."""
    seconds, source = SecondBuckets(GPU_METRICS), readings(number, DAY)
    begin = NOW - DAY
    while begin < NOW:
        end = begin + (60 if begin >= NOW - 300 else 300 if begin >= NOW - 600 else 600)
        for at in range(begin, end):
            seconds.add(at + 0.3, next(source), 1.0)
        yield seconds.take_before(end)
        begin = end


def fill(minutes: dict[str, Buckets]) -> None:
    """Everything older: quarter-hours of the last weeks, as the day was, and before that copies of the largest chunk."""
    for key, of_day in minutes.items():
        source = HistorySource.objects.get(key=key)
        quarters = roll_up(of_day, QUARTERS.bucket_seconds)
        weeks = merged([_moved(quarters, -days * DAY) for days in range(1, 21)], QUARTERS.bucket_seconds)
        _store_closed(
            source, QUARTERS, weeks.between(QUARTERS.chunk_of(weeks.starts[0]) + QUARTERS.chunk_seconds, NOW - DAY)
        )
        for tier, days in _KEPT_DAYS.items():
            rows = [*HistoryChunk.objects.filter(source=source, tier=tier.number, is_open=False)]
            oldest, largest = min(row.start for row in rows), max(rows, key=lambda row: len(row.data))
            copied = unpack(bytes(largest.data))
            HistoryChunk.objects.bulk_create(
                HistoryChunk(
                    source=source,
                    tier=tier.number,
                    start=start,
                    end=start + tier.chunk_seconds,
                    data=pack(_moved(copied, start - largest.start), GPU_METRICS),
                )
                for start in range(tier.chunk_of(oldest) - tier.chunk_seconds, NOW - days * DAY, -tier.chunk_seconds)
            )


def _moved(buckets: Buckets, seconds: int) -> Buckets:
    return buckets._replace(starts=[start + seconds for start in buckets.starts])


def _store_closed(source: HistorySource, tier: Tier, buckets: Buckets) -> None:
    for chunk in range(tier.chunk_of(buckets.starts[0]), buckets.starts[-1], tier.chunk_seconds):
        part = buckets.between(chunk, chunk + tier.chunk_seconds)
        HistoryChunk.objects.create(
            source=source, tier=tier.number, start=chunk, end=chunk + tier.chunk_seconds, data=pack(part, GPU_METRICS)
        )


def sizes(minutes: dict[str, Buckets]) -> dict[str, float]:
    """Bytes of closed chunks a bucket of a GPU, by tier; bytes of the file for the day."""
    with history_connection().cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count)"
        )
        (pages,) = cursor.fetchone()
        cursor.execute("PRAGMA page_size")
        (page,) = cursor.fetchone()
    found: dict[str, float] = {"file": pages * page}
    fill(minutes)
    for tier in (SECONDS, MINUTES, QUARTERS):
        rows = HistoryChunk.objects.filter(tier=tier.number, is_open=False, end__lte=NOW, start__gte=NOW - 20 * DAY)
        whole = [
            len(data)
            for start, end, data in rows.values_list("start", "end", "data")
            if end - start == tier.chunk_seconds
        ]
        found[tier.name] = sum(whole) / len(whole) / (tier.chunk_seconds / tier.bucket_seconds)
    return found


def after_cut() -> float:
    """Bytes of the file for each byte of its chunks, after the settings keep a third of the days and pruning has ended."""
    for _step in prune(NOW, _CUT):
        pass
    database = history_connection()
    with database.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(database.settings_dict["NAME"]).stat().st_size / used_bytes()


def main() -> None:
    prepare()
    found = sizes(store_day())
    print(json.dumps({**found, "after_cut": after_cut()}), flush=True)


if __name__ == "__main__":
    main()
