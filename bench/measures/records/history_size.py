"""The bytes of the stored history: a day of seconds, minutes of 90 days, quarter-hours of a year, 8 GPUs, noisy values; and of its
file after much was deleted."""

from __future__ import annotations

from collections.abc import Iterator

from bench.child import child
from bench.figures import Figure
from bench.serving import data_folder

_GPUS = 8
_BUCKETS = {"seconds": 86_400, "minutes": 90 * 1440, "quarter-hours": 365 * 96}
_BOUNDS = {"seconds": 12, "minutes": 50, "quarter-hours": 18}
_SPANS = {"seconds": "a day", "minutes": "90 days", "quarter-hours": "a year"}


def measure() -> Iterator[Figure]:
    with (
        data_folder() as folder,
        child("bench.records.stored_history", environment={"GPU_MONITOR_DATA_DIR": str(folder)}) as stored,
    ):
        sizes = stored.answer()
    for tier, buckets in _BUCKETS.items():
        megabytes = sizes[tier] * buckets * _GPUS / 1e6
        measured = (
            f"{tier} of {_SPANS[tier]}, {_GPUS} GPUs, every metric noisy; {sizes[tier]:.1f} bytes a bucket of a GPU"
        )
        yield Figure(megabytes, " MB", _BOUNDS[tier], measured)
    yield Figure(
        sizes["after_cut"], "x", 1.3, "the file after pruning three years to one, against the bytes of the chunks left"
    )
    yield Figure(
        sizes["file"] / 1e6, " MB", None, "the database's pages after the day: all tiers, indexes, unused ends of pages"
    )
